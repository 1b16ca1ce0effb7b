"""The search sees training rows only, goes on where it was stopped, and every trial is in the ledger."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from datasieve.pipeline import Pipeline
from datasieve.transforms import SKLearnWrapper
from sklearn.preprocessing import MinMaxScaler

from agent_market.errors import ConfigError, TrainingFailed
from agent_market.store.database import Database
from agent_market.store.trials import trials_of
from agent_market.training import tuning
from agent_market.training.callbacks import Silent
from agent_market.training.datasets.dataset import Dataset
from agent_market.training.models.trees import LightGBMAdapter
from agent_market.training.scaling import Scaler
from agent_market.training.settings import TrainingSettings
from agent_market.training.tuning import search

HOUR = 3600
STUDY = "training/lightgbm/scaled_12"


def rows(count: int = 800, seed: int = 2) -> Dataset:
    random = np.random.default_rng(seed)
    features = random.normal(size=(count, 3))
    asof = np.arange(count, dtype=np.int64) * HOUR + 1_600_000_000
    labels = pd.DataFrame({"scaled_12": features[:, 0] + random.normal(size=count)})
    known = pd.DataFrame({"scaled_12": asof + 12 * HOUR})
    return Dataset(
        pd.DataFrame(features, columns=["a", "b", "c"]), labels, known, asof, np.full(count, "X", object)
    )


def scaler() -> Scaler:
    kitchen: Any = SimpleNamespace(pipeline=lambda: Pipeline([("s", SKLearnWrapper(MinMaxScaler()))]))
    return Scaler(kitchen)


def settings(folder: Path, **tuned: Any) -> TrainingSettings:
    return TrainingSettings(
        config=(folder / "c.json",),
        userdir=folder,
        timerange="20240101-20240201",
        params={"trees": 20},
        tuning=tuned,  # type: ignore[arg-type]
    )


class Heard(Silent):
    def __init__(self) -> None:
        self.trials: list[tuple[Mapping[str, Any], float | None]] = []

    def trial(self, number: int, params: Mapping[str, Any], value: float | None) -> None:
        self.trials.append((params, value))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path / 'store.sqlite'}")
    yield opened
    opened.close()


def test_a_grid_is_tried_whole_and_the_best_is_chosen(tmp_path: Path, database: Database) -> None:
    heard = Heard()
    chosen = settings(
        tmp_path, method="grid", grid={"learning_rate": (1e-3, 0.1), "depth": (2, 4)}, pruning=False
    )
    found = search(chosen, rows(), scaler(), database, (heard,), "code")
    assert found.trials == 4
    assert len({tuple(sorted(params.items())) for params, _ in heard.trials}) == 4
    values = [value for _, value in heard.trials if value is not None]
    assert found.value == max(values)
    ledger = trials_of(database, STUDY)
    assert sorted(round(t.mean, 6) for t in ledger) == sorted(round(v, 6) for v in values)
    assert {t.observations for t in ledger} == {3}


def test_a_search_that_is_stopped_goes_on_and_finds_the_same(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def judged(_: Any, params: Mapping[str, Any], *rest: Any) -> float:
        return float(params["l2"])

    monkeypatch.setattr(tuning, "_judged", judged)
    chosen = {"method": "bayes", "trials": 4, "pruning": False, "folds": 2}
    whole = search(settings(tmp_path / "a", **chosen), rows(), scaler(), database, (), "code")
    ledger = trials_of(database, STUDY)
    assert len(ledger) == 4
    calls = iter(range(100))

    def stopped(*given: Any) -> float:
        if next(calls) == 5:
            raise KeyboardInterrupt
        return judged(*given)

    monkeypatch.setattr(tuning, "_judged", stopped)
    with pytest.raises(KeyboardInterrupt):
        search(settings(tmp_path / "b", **chosen), rows(), scaler(), database, (), "code")
    monkeypatch.setattr(tuning, "_judged", judged)
    again = search(settings(tmp_path / "b", **chosen), rows(), scaler(), database, (), "code")
    assert (again.params, again.value) == (whole.params, whole.value)
    # The same candidate on the same rows is the same trial, however often it is run.
    assert len(trials_of(database, STUDY)) == 4
    monkeypatch.setattr(tuning, "_judged", stopped)
    assert search(settings(tmp_path / "a", **chosen), rows(), scaler(), database, (), "code") == whole


def test_other_rows_under_the_same_settings_are_another_search(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Candles that were mended or downloaded since: what was best on the old ones is not taken over."""
    judged: list[Dataset] = []

    def recorded(_: Any, params: Mapping[str, Any], train: Dataset, *rest: Any) -> float:
        judged.append(train)
        return 1.0

    monkeypatch.setattr(tuning, "_judged", recorded)
    chosen = settings(tmp_path, method="bayes", trials=2, folds=2, pruning=False)
    old, new = rows(), rows(seed=3)
    search(chosen, old, scaler(), database, (), "code")
    found = search(chosen, new, scaler(), database, (), "code")
    assert found.trials == 2
    assert [train is new for train in judged] == [False] * 4 + [True] * 4


def test_what_is_worse_than_the_median_is_given_up_and_counted(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([1.0] * 3 + [0.9] * 3 + [0.1] * 30)
    monkeypatch.setattr(tuning, "_judged", lambda *_: next(scores))
    heard = Heard()
    found = search(settings(tmp_path, method="bayes", trials=5), rows(), scaler(), database, (heard,), "code")
    assert [value for _, value in heard.trials] == [1.0, pytest.approx(0.9), None, None, None]
    assert found.trials == 5
    assert sorted(t.observations for t in trials_of(database, STUDY)) == [1, 1, 1, 3, 3]


def test_no_fold_learns_what_was_not_known_before_it(tmp_path: Path) -> None:
    data = rows()
    folds = tuning._folds(settings(tmp_path, method="bayes"), data)
    assert len(folds) == 3
    known = data.known_at["scaled_12"].to_numpy()
    for fold in folds:
        assert known[fold.train].max() <= data.asof[fold.test[0]]
    assert data.asof[folds[-1].test[-1]] == data.asof[-1]


def test_a_trial_that_fails_does_not_end_the_search_and_none_that_ends_is_an_error(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = LightGBMAdapter._fit
    calls = iter(range(100))

    def fail_first(*given: Any) -> None:
        if next(calls) == 0:
            raise RuntimeError("bad luck")
        whole(*given)

    monkeypatch.setattr(LightGBMAdapter, "_fit", fail_first)
    found = search(settings(tmp_path / "a", method="bayes", trials=2), rows(), scaler(), database, (), "code")
    assert found.trials == 2

    def fail(*_: Any) -> None:
        raise RuntimeError("bad luck")

    monkeypatch.setattr(LightGBMAdapter, "_fit", fail)
    with pytest.raises(TrainingFailed, match="none of 2 trials"):
        search(settings(tmp_path / "b", method="bayes", trials=2), rows(), scaler(), database, (), "code")


def test_a_model_without_a_space_says_what_to_do() -> None:
    with pytest.raises(ConfigError, match="no search space"):
        tuning.drawn("mine", None)  # type: ignore[arg-type]
