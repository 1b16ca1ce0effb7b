"""Every adapter keeps the contract of `training.models.base`."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent_market.errors import AgentMarketError, ConfigError, DataError, TrainingFailed
from agent_market.training.models.base import BaseModelAdapter, Task
from agent_market.training.models.registry import load_model, make_model, model_names, register_model
from agent_market.training.models.samples import Samples

ROWS, WIDTH = 400, 5
TREES = {"trees": 40, "rows_a_leaf": 5, "learning_rate": 0.1}
NET = {"hidden": 16, "epochs": 4, "batch": 64, "device": "cpu", "patience": 3, "learning_rate": 0.01}
MEMBERS = [{"model": "lightgbm", "params": TREES}, {"model": "xgboost", "params": TREES}]
SMALL: dict[str, dict[str, Any]] = {
    "lightgbm": TREES,
    "xgboost": TREES,
    "catboost": TREES,
    "mlp": NET,
    "lstm": {**NET, "window": 4},
    "transformer": {**NET, "window": 4, "heads": 2, "layers": 1},
    "policy": {"steps": 512, "accounts": 8, "minibatch": 128, "episode": 16, "hidden": 8},
    "stacking": {"members": MEMBERS, "folds": 3, "gap": 5},
    "blending": {"members": MEMBERS, "gap": 5},
}
CASES = [
    (name, task)
    for name in SMALL
    for task in (("policy",) if name == "policy" else ("regression", "classification"))
]

GOING_ON = [case for case in CASES if case[0] not in ("stacking", "blending")]


def planted(task: Task, rows: int = ROWS, seed: int = 3) -> Samples:
    """The first feature decides, the others are noise."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(rows, WIDTH))
    signal = features[:, 0] + 0.3 * random.normal(size=rows)
    labels = (signal > 0).astype(float) * 2 - 1 if task == "classification" else 0.01 * signal
    return Samples(features, labels, random.uniform(0.5, 1.0, rows), np.repeat([0, 1], rows // 2))


def made(name: str, task: Task, **changes: Any) -> BaseModelAdapter[Any]:
    return make_model(name, {**SMALL[name], **changes}, task)


def told(model: BaseModelAdapter[Any], samples: Samples) -> np.ndarray:
    if model.task == "classification":
        return model.predict_proba(samples.features, samples.groups)
    return model.predict(samples.features, samples.groups)


def test_every_registered_model_is_tested_here() -> None:
    assert set(SMALL) == set(model_names())


@pytest.mark.parametrize(("name", "task"), CASES)
def test_it_learns_saves_loads_and_predicts_the_same(name: str, task: Task, tmp_path: Path) -> None:
    train, later = planted(task), planted(task, seed=4)
    model = made(name, task).fit(train, later.rows(slice(0, 200)))
    file = tmp_path / "model.bin"
    model.save(file)
    loaded = load_model(file)
    assert type(loaded) is type(model)
    assert loaded.settings == model.settings
    np.testing.assert_array_equal(told(loaded, later), told(model, later))
    np.testing.assert_array_equal(told(pickle.loads(pickle.dumps(model)), later), told(model, later))
    again = tmp_path / "again.bin"
    loaded.save(again)
    if name != "policy":  # Stable-Baselines3 writes its own clock into its archive
        assert again.read_bytes() == file.read_bytes()
    if task == "classification":
        chances = model.predict_proba(later.features, later.groups)
        np.testing.assert_allclose(chances.sum(axis=1), 1.0, atol=1e-6)
        assert model.classes == (-1, 1)
        assert np.mean(model.predict(later.features, later.groups) == later.labels) > 0.6
    elif task == "regression":
        assert np.corrcoef(told(model, later), later.labels)[0, 1] > 0.5
    else:
        assert set(told(model, later)) <= {0.0, 1.0}


@pytest.mark.parametrize(("name", "task"), CASES)
def test_the_same_seed_gives_the_same_model(name: str, task: Task) -> None:
    train, later = planted(task), planted(task, seed=4)
    one, two = (made(name, task).fit(train, later) for _ in range(2))
    np.testing.assert_array_equal(told(one, later), told(two, later))


@pytest.mark.parametrize(("name", "task"), CASES)
def test_what_is_no_number_or_of_another_shape_is_refused(name: str, task: Task) -> None:
    train = planted(task)
    with pytest.raises(DataError, match="is not fitted; call fit first"):
        made(name, task).predict(train.features)
    model = made(name, task).fit(train)
    before = told(model, train)
    for value in (np.nan, np.inf, -np.inf):
        bad = train.features.copy()
        bad[7, 2] = value
        with pytest.raises(DataError, match="row 7, column 2"):
            model.predict(bad)
    with pytest.raises(DataError, match=f"fitted on {WIDTH} features and got {WIDTH - 1}"):
        model.predict(train.features[:, 1:])
    with pytest.raises(DataError, match="rows, columns"):
        model.predict(train.features[0])
    with pytest.raises(DataError, match="columns"):
        model.fit(train, Samples(train.features[:, 1:], train.labels))
    np.testing.assert_array_equal(told(model, train), before)
    assert len(model.predict(np.empty((0, WIDTH)))) == 0
    assert len(model.predict(train.features[:1])) == 1


@pytest.mark.parametrize(("name", "task"), CASES)
def test_a_prediction_reads_no_later_row_and_no_other_group(name: str, task: Task) -> None:
    train, later = planted(task), planted(task, seed=9)
    model = made(name, task).fit(train)
    whole = told(model, later)
    cut = 150
    np.testing.assert_allclose(told(model, later.rows(slice(0, cut))), whole[:cut], atol=1e-6)
    changed = later.features.copy()
    changed[cut : ROWS // 2] = 5.0
    shocked = told(model, Samples(changed, later.labels, None, later.groups))
    np.testing.assert_allclose(shocked[:cut], whole[:cut], atol=1e-6)
    np.testing.assert_allclose(shocked[ROWS // 2 :], whole[ROWS // 2 :], atol=1e-6)


@pytest.mark.parametrize(("name", "task"), CASES)
def test_training_goes_on_where_the_library_can_and_is_refused_elsewhere(name: str, task: Task) -> None:
    train, later = planted(task), planted(task, seed=5)
    model = made(name, task)
    if not model.incremental:
        with pytest.raises(ConfigError, match="cannot continue"):
            model.fit(train).fit(later, warm=True)
        return
    with pytest.raises(DataError, match="is not fitted; call fit first"):
        model.fit(train, warm=True)
    first = told(model.fit(train), later)
    second = told(model.fit(later, warm=True), later)
    if task != "policy":
        assert not np.array_equal(first, second)
        error = [np.mean((_expected(model, t) - later.labels) ** 2) for t in (first, second)]
        assert error[1] < error[0]


@pytest.mark.parametrize(("name", "task"), GOING_ON)
def test_what_is_learned_on_counts_after_an_early_stop(name: str, task: Task) -> None:
    train, stop, later = planted(task), planted(task, seed=4), planted(task, seed=5)
    flipped = Samples(later.features * np.array([-1.0] + [1.0] * (WIDTH - 1)), later.labels)
    model = made(name, task).fit(train, stop)
    before = told(model, flipped)
    after = told(model.fit(flipped, warm=True), flipped)
    if task != "policy":
        assert not np.array_equal(before, after)


@pytest.mark.parametrize(("name", "task"), GOING_ON)
def test_training_goes_on_the_same_whatever_else_was_fitted_and_from_a_file(name: str, task: Task) -> None:
    train, stop, later = planted(task), planted(task, seed=4), planted(task, seed=5)
    plain = made(name, task).fit(train, stop)
    loaded = type(plain).from_bytes(plain.to_bytes())
    between = made(name, task).fit(train, stop)
    made(name, task).fit(later)
    told_by = [told(model.fit(later, stop, warm=True), later).tolist() for model in (plain, loaded, between)]
    assert told_by[0] == told_by[1] == told_by[2]


def _expected(model: BaseModelAdapter[Any], outputs: np.ndarray) -> np.ndarray:
    return outputs @ np.array(model.classes) if model.task == "classification" else outputs


@pytest.mark.parametrize("name", ["lightgbm", "xgboost", "catboost", "mlp", "lstm", "transformer"])
def test_validation_rows_without_signal_stop_the_training_early(name: str) -> None:
    train = planted("regression")
    random = np.random.default_rng(0)
    noise = Samples(random.normal(size=(200, WIDTH)), random.normal(size=200))
    rounds: list[int] = []
    limit = 400
    length = {"trees": limit, "patience": 5} if "trees" in SMALL[name] else {"epochs": limit, "patience": 2}
    made(name, "regression", **length).fit(train, noise, progress=lambda n, loss: rounds.append(n))
    assert rounds == list(range(1, len(rounds) + 1))
    assert 1 <= len(rounds) < limit


def test_samples_refuse_what_cannot_be_learned_from() -> None:
    good = planted("regression")
    for labels in (good.labels[:-1], np.full(ROWS, np.nan)):
        with pytest.raises(DataError, match="labels"):
            Samples(good.features, labels)
    with pytest.raises(DataError, match="weights"):
        Samples(good.features, good.labels, -np.ones(ROWS))
    with pytest.raises(DataError, match="whole numbers"):
        Samples(good.features, good.labels, None, np.zeros(ROWS))  # type: ignore[arg-type]
    with pytest.raises(DataError, match="at least 2 rows"):
        good.rows(slice(0, 1))
    with pytest.raises(DataError, match="are not numeric"):
        Samples(np.full((3, 1), "a"), np.zeros(3))  # type: ignore[arg-type]


def test_classes_are_whole_numbers_of_two_kinds() -> None:
    good = planted("regression")
    with pytest.raises(DataError, match="whole numbers"):
        made("lightgbm", "classification").fit(good)
    with pytest.raises(DataError, match="at least two classes"):
        made("lightgbm", "classification").fit(Samples(good.features, np.ones(ROWS)))


def test_three_classes_come_back_under_their_own_numbers() -> None:
    random = np.random.default_rng(1)
    features = random.normal(size=(600, 2))
    labels = np.digitize(features[:, 0], [-0.5, 0.5]) * 5.0 - 5.0
    for name in ("lightgbm", "xgboost", "catboost", "mlp", "stacking"):
        model = made(name, "classification").fit(Samples(features, labels))
        assert model.classes == (-5, 0, 5)
        assert np.mean(model.predict(features) == labels) > 0.8, name


def test_unknown_names_and_parameters_say_what_is_known() -> None:
    with pytest.raises(ConfigError, match="did you mean 'catboost'"):
        make_model("catbost")
    with pytest.raises(ConfigError, match=r"lightgbm\.tres"):
        make_model("lightgbm", {"tres": 3})
    with pytest.raises(ConfigError, match="multiple of heads"):
        make_model("transformer", {"hidden": 10, "heads": 4})
    with pytest.raises(ConfigError, match="does not support task"):
        make_model("policy", {}, "regression")
    with pytest.raises(ConfigError, match="is used by"):
        register_model("lightgbm", "mine:Model")


def test_a_damaged_or_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no model at"):
        load_model(tmp_path / "none.bin")
    (tmp_path / "bad.bin").write_bytes(b"PK nothing")
    with pytest.raises(DataError, match=r"bad\.bin is not a saved model"):
        load_model(tmp_path / "bad.bin")


def test_a_library_that_fails_keeps_the_last_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    train = planted("regression")
    model = made("catboost", "regression").fit(train)
    before = told(model, train)

    def fail(*_: Any) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(type(model), "_fit", fail)
    with pytest.raises(TrainingFailed, match="catboost: RuntimeError: out of memory"):
        model.fit(planted("regression", seed=8))
    np.testing.assert_array_equal(told(model, train), before)


def test_a_cuda_setting_without_a_device_is_refused() -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(AgentMarketError, match="no CUDA device"):
        made("mlp", "regression", device="cuda").fit(planted("regression"))


def test_an_ensemble_weighs_the_member_that_knows_more() -> None:
    samples = planted("regression", rows=1200)
    members = [
        {"model": "lightgbm", "params": TREES},
        {"model": "mlp", "params": {**NET, "epochs": 1, "hidden": 1}},
    ]
    model = make_model("stacking", {"members": members, "gap": 5}).fit(samples)
    assert model.weights[0] > model.weights[1]  # type: ignore[attr-defined]
    assert (model.weights >= 0).all()  # type: ignore[attr-defined]


def test_judging_rows_of_an_ensemble_are_later_and_a_gap_lies_before_them() -> None:
    from agent_market.training.models.ensemble import cut, places  # noqa: PLC0415

    times = np.tile(np.arange(100), 2)
    samples = Samples(
        np.arange(200.0)[:, None], times.astype(float), None, np.repeat([0, 1], 100), times=times
    )
    early, late = cut(samples, places(samples), 0.5, 0.75, gap=10)
    assert early.labels.max() == 39
    assert (late.labels.min(), late.labels.max()) == (50, 74)
    with pytest.raises(DataError, match="too few"):
        cut(samples, places(samples), 0.05, 1.0, gap=10)


def test_no_episode_of_a_policy_runs_from_one_pair_into_the_next() -> None:
    """Pairs with fewer rows than an episode has: each is walked to its end and no further."""
    from agent_market.rl.policy import PolicySettings, Rows  # noqa: PLC0415 - an extra

    short = planted("policy", rows=20)
    ones = Samples(short.features, np.repeat([0.0, 1.0], 10), None, short.groups)
    world = Rows(ones, np.zeros(WIDTH), np.ones(WIDTH), PolicySettings(accounts=16, episode=16, cost=0.0))
    world.reset()
    earned, ends = [], []
    for _ in range(10):
        world.step_async(np.ones(16))
        _, rewards, done, _ = world.step_wait()
        earned.append(rewards)
        ends.append(done)
    # A position of 1 earns the label: all of an episode's are of one pair.
    assert all(len(set(path)) == 1 for path in np.array(earned).T.tolist())
    assert np.array(ends).sum(axis=0).tolist() == [1] * 16
