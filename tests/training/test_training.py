"""Settings, metrics, report and tracker of a training."""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from agent_market.agents.prompts.feedback import FeedbackEntry
from agent_market.config import parse_settings
from agent_market.errors import ConfigError
from agent_market.reports.feedback import RoundEntry
from agent_market.training.backtest import freqai_model
from agent_market.training.callbacks import MLflowTracker
from agent_market.training.metrics import PredictionMetrics, measure, of_values, score
from agent_market.training.models.registry import make_model, model_names
from agent_market.training.models.samples import Samples
from agent_market.training.report import BacktestMetrics, TrainingReport
from agent_market.training.settings import TrainingSettings, load_training_settings
from agent_market.training.spaces import SPACES

GIVEN: dict[str, Any] = {"config": ["c.json"], "userdir": "u", "timerange": "20240101-20240201"}


def settings(**changes: Any) -> TrainingSettings:
    return parse_settings(TrainingSettings, {**GIVEN, **changes}, "training")


def report(**changes: Any) -> TrainingReport:
    made = TrainingReport(
        name="t",
        model="catboost",
        task="regression",
        label="scaled_12",
        params={"depth": 4, "l2": 0.123456},
        features=23,
        train_rows=900,
        offline=PredictionMetrics(rows=100, r2=-0.01, rank_ic=0.05, hit_rate=0.51, base_rate=0.52),
        backtest=BacktestMetrics(-0.031, -1.2, 0.45, 0.06, 40, 0.12),
        trials=20,
        known_at=datetime(2024, 2, 1, tzinfo=UTC),
        scope="flow",
        round=2,
        fingerprint="0" * 16,
    )
    return replace(made, **changes)


def test_out_of_sample_r2_is_against_the_mean_of_the_training_rows() -> None:
    told, happened = np.array([1.0, -1.0, 0.5, 0.0]), np.array([2.0, -1.0, -1.0, 1.0])
    learned = np.array([1.0, 1.0, -0.5])
    found = of_values(told, happened, learned)
    assert found.r2 == pytest.approx(1 - (1 + 0 + 2.25 + 1) / (2.25 + 2.25 + 2.25 + 0.25))
    assert found.hit_rate == pytest.approx(2 / 3)
    assert found.base_rate == pytest.approx(1 / 3)
    assert found.slope == pytest.approx(np.polyfit(told, happened, 1)[0])
    silent = of_values(np.zeros(4), happened, learned)
    assert (silent.rank_ic, silent.slope, silent.hit_rate) == (None, None, None)
    assert score(silent) == 0.0


def test_classes_are_judged_by_the_probability_of_the_one_that_was_named() -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(600, 2))
    samples = Samples(features, (features[:, 0] > 0).astype(float))
    model = make_model("lightgbm", {"trees": 60, "learning_rate": 0.2}, "classification").fit(samples)
    found = measure(model, samples, samples)
    assert found.hit_rate is not None
    assert found.hit_rate > 0.95
    assert found.brier is not None
    assert found.brier < 0.05
    assert found.base_rate == pytest.approx(max(samples.labels.mean(), 1 - samples.labels.mean()))
    assert score(found) == -found.brier


def test_a_policy_is_judged_by_what_it_earned_beside_always_long() -> None:
    labels = np.array([0.01, -0.02, 0.03, 0.0])
    model: Any = type("Held", (), {})()
    model.task, model.settings = "policy", type("S", (), {"cost": 0.001})()
    model.predict = lambda features, groups: np.array([0.0, 0.0, 1.0, 0.0])
    samples = Samples(np.zeros((4, 1)), labels)
    found = measure(model, samples, samples)
    assert found.gain == pytest.approx(0.03 - 0.002)
    assert found.base_gain == pytest.approx(0.02 - 0.001)


def test_feedback_lines_are_entries_that_agents_read_and_name_no_market() -> None:
    lines = report().feedback_lines
    assert lines[0].startswith(
        "Model catboost on scaled_12, 100 later rows: R2 −0.0100, rank correlation +0.050"
    )
    assert "made −3.1% after costs with 40 trades, 45% of them won" in lines[1]
    assert "buy and hold +12.0%" in lines[1]
    assert lines[2] == "Best of 20 trials on earlier rows: depth 4, l2 0.1235."
    entry = RoundEntry(report().known_at, 2, lines, "flow")
    assert FeedbackEntry.model_validate_json(entry.to_json()).lines == lines


def test_equal_trainings_are_equal_files() -> None:
    assert report().to_json() == report().to_json()
    packed = json.loads(report().to_json())
    assert packed["known_at"] == "2024-02-01T00:00:00Z"
    assert packed["offline"]["slope"] is None


def test_the_label_decides_what_is_learned_and_odd_pairs_are_refused() -> None:
    assert settings().chosen_task == "regression"
    assert settings(label={"kind": "up"}).chosen_task == "classification"
    assert settings(model="policy", label={"kind": "reward"}).chosen_task == "policy"
    for bad, words in (
        ({"task": "classification"}, "has no classes"),
        ({"model": "policy"}, "label `reward`"),
        ({"tuning": {"method": "grid"}}, "needs `grid`"),
        ({"timerange": "20240201-20240101"}, "ends before"),
        ({"modle": "x"}, "did you mean `model`"),
        ({"config": []}, "at least one"),
    ):
        with pytest.raises(ConfigError, match=words):
            settings(**bad)


def test_a_file_is_changed_and_its_paths_are_its_own(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text("config: [c.json]\nuserdir: u\ntimerange: '20240101-20240201'\n")
    loaded = load_training_settings(tmp_path / "t.yaml", ["tuning.trials=50", "model=mlp"])
    assert (loaded.userdir, loaded.config) == (tmp_path / "u", (tmp_path / "c.json",))
    assert (loaded.tuning.trials, loaded.model) == (50, "mlp")
    assert loaded.folder == tmp_path / "u" / "agent_market" / "training" / "training"


def test_the_fingerprint_is_of_what_can_change_a_result(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text("{}")
    one = settings(config=[str(tmp_path / "c.json")])
    print_ = one.fingerprint()
    assert len(print_) == 16
    assert one.model_copy(update={"userdir": Path("elsewhere")}).fingerprint() == print_
    assert one.model_copy(update={"seed": 8}).fingerprint() != print_
    (tmp_path / "c.json").write_text('{"fee": 0.1}')
    assert one.fingerprint() != print_


def test_every_model_has_a_space_and_a_freqai_model(repository: Path) -> None:
    assert set(SPACES) == set(model_names())
    folder = repository / "user_data" / "freqaimodels"
    for name in model_names():
        kinds = ("reward",) if name == "policy" else ("scaled", "up")
        for kind in kinds:
            found = freqai_model(settings(model=name, label={"kind": kind}))
            assert found is not None
            assert (folder / f"{found}.py").is_file()
    assert freqai_model(settings(model="mine")) is None


def test_a_tracker_that_is_not_installed_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> ModuleType:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(ConfigError, match="pip install mlflow"):
        MLflowTracker("x")


def test_the_tracker_is_given_parameters_and_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: dict[str, Any] = {}

    class Run:
        def __enter__(self) -> None:
            calls["run"] = True

        def __exit__(self, *_: object) -> None:
            pass

    fake = ModuleType("mlflow")
    for name in ("set_experiment", "log_params", "log_dict"):
        setattr(fake, name, lambda *given, name=name: calls.setdefault(name, given))
    fake.log_metrics = lambda given: calls.setdefault("metrics", []).append(given)  # type: ignore[attr-defined]
    fake.start_run = lambda run_name: Run()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mlflow", fake)
    MLflowTracker("flow").done(report())
    assert calls["set_experiment"] == ("flow",)
    assert calls["log_params"][0]["depth"] == 4
    assert calls["metrics"][1]["profit"] == -0.031
    assert "slope" not in calls["metrics"][0]
