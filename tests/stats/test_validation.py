from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_market.errors import DataError
from agent_market.stats.validation import later_spans, overfitting, superior, walk_forward

DAY = 86_400


def moments(count: int) -> np.ndarray:
    return np.arange(count, dtype=np.int64) * DAY


@given(st.integers(20, 80), st.integers(1, 10), st.integers(1, 15), st.integers(0, 4), st.integers(0, 10_000))
def test_no_fold_learns_what_was_not_known_before_its_test(count, lag, step, embargo, seed) -> None:
    times = moments(count)
    known = times + np.random.default_rng(seed).integers(1, lag + 1, count) * DAY
    # Every moment's outcome is known at the latest `lag` days later: the first fold must have one that is.
    first = (lag + embargo + 5) * DAY
    tested = []
    for fold in walk_forward(times, known, first, step * DAY, embargo * DAY):
        assert (known[fold.train] <= times[fold.test[0]] - embargo * DAY).all()
        assert fold.train.max() < fold.test.min()
        tested += fold.test.tolist()
    assert tested == list(range(lag + embargo + 5, count))


def test_purging_and_embargo_by_hand() -> None:
    times = moments(10)
    known = times + 2 * DAY
    folds = list(walk_forward(times, known, 6 * DAY, 2 * DAY))
    assert [(f.train.tolist(), f.test.tolist()) for f in folds] == [
        ([0, 1, 2, 3, 4], [6, 7]),
        ([0, 1, 2, 3, 4, 5, 6], [8, 9]),
    ]
    embargoed = next(walk_forward(times, known, 6 * DAY, 2 * DAY, embargo=DAY))
    assert embargoed.train.tolist() == [0, 1, 2, 3]
    rolling = list(walk_forward(times, known, 6 * DAY, 2 * DAY, window=3 * DAY))
    assert rolling[1].train.tolist() == [5, 6]


def test_a_walk_without_anything_to_learn_from_is_refused() -> None:
    with pytest.raises(DataError, match="begin later"):
        list(walk_forward(moments(10), moments(10) + DAY, 0, DAY))
    with pytest.raises(DataError, match="positive step"):
        list(walk_forward(moments(10), moments(10) + DAY, DAY, 0))


def test_later_spans_are_purged_at_each_border() -> None:
    times = moments(20)
    fit, stop, gate = later_spans(np.arange(20), times, times + 2 * DAY)
    assert (fit.tolist(), stop.tolist(), gate.tolist()) == (
        list(range(13)),
        [14, 15],
        [17, 18, 19],
    )
    with pytest.raises(DataError, match="too few"):
        later_spans(np.arange(2), times, times)
    with pytest.raises(DataError, match="too few"):
        later_spans(np.arange(20), times, times + 4 * DAY)


def equal_trials() -> np.ndarray:
    """The example of the R package pbo's vignette (CRAN): 100 trials of 2,400 returns, all with mean 0 and
    deviation 1 / sqrt(252) exactly, so that whoever did well in one half did badly in the other."""
    table = np.random.default_rng(765).normal(size=(2_400, 100))
    table *= 252**-0.5 / table.std(axis=0, ddof=1)
    return table - table.mean(axis=0)


def test_the_published_example_of_equal_trials_is_overfit_for_certain() -> None:
    # The vignette's Sharpe ratio is over a rate of 0.03 / 252; its result is p_bo 1 and p_loss 1, 70 splits.
    found = overfitting(equal_trials() - 0.03 / 252, blocks=8)
    assert found.splits == 70
    assert found.probability == 1.0
    assert found.loss == 1.0
    assert found.slope < -0.5


def test_a_configuration_that_is_truly_better_is_not_overfit() -> None:
    table = equal_trials()
    table[:, 17] += 0.3 / 252**0.5
    found = overfitting(table, blocks=8)
    assert found.probability == 0.0
    assert found.loss == 0.0


def test_four_observations_in_two_blocks_by_hand() -> None:
    # Block 1: a has mean 2, b has -2; block 2: the other way round. The best of either half is the worst of
    # the other: rank 1 of 2, w = 1/3, in both splits.
    table = np.array([[1.0, -1.0], [3.0, -3.0], [-1.0, 1.0], [-3.0, 3.0]])
    found = overfitting(table, blocks=2)
    assert (found.probability, found.loss, found.splits) == (1.0, 1.0, 2)


def test_no_merit_at_all_gives_a_probability_near_one_half() -> None:
    odds = [
        overfitting(np.random.default_rng(seed).normal(size=(400, 10)), blocks=8).probability
        for seed in range(40)
    ]
    assert np.mean(odds) == pytest.approx(0.5, abs=0.12)


@pytest.mark.parametrize(
    ("shape", "blocks", "message"),
    [
        ((10, 400), 4, "transposed"),
        ((400,), 4, "configurations"),
        ((400, 10), 5, "even"),
        ((15, 3), 8, "2 or more"),
    ],
)
def test_the_transpose_and_odd_blocks_are_refused(shape, blocks, message) -> None:
    with pytest.raises(DataError, match=message):
        overfitting(np.random.default_rng(0).normal(size=shape), blocks)


def test_cash_among_the_configurations_is_no_division_by_zero() -> None:
    table = np.random.default_rng(3).normal(size=(200, 3))
    table[:, 1] = 0.0
    assert 0.0 <= overfitting(table, blocks=4).probability <= 1.0


def test_spa_sees_a_real_lead_and_not_the_best_of_many_without() -> None:
    odds = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        benchmark = rng.normal(size=400)
        lucky = {str(i): benchmark + rng.normal(size=400) for i in range(10)}
        odds.append(superior(benchmark, lucky))
    assert np.mean(odds) > 0.25
    assert superior(benchmark, {**lucky, "real": benchmark + rng.normal(0.3, 1.0, 400)}) < 0.01
    assert superior(benchmark, {"same": benchmark.copy()}) == 1.0
