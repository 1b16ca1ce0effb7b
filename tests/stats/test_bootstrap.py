"""The paired block bootstrap: against known answers, and the errors it is there to avoid."""

from __future__ import annotations

import numpy as np
import pytest
from arch.bootstrap import StationaryBootstrap

from agent_market.stats.bootstrap import SEED, block_length, paired_mean_test


def test_independent_differences_give_the_interval_and_p_value_of_the_normal_theory() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(0.0, 1.0, 4_000)
    values += 0.04 - values.mean()
    test = paired_mean_test(values, resamples=4_000)
    error = values.std(ddof=1) / np.sqrt(4_000)
    assert test.mean == pytest.approx(0.04)
    assert test.standard_error == pytest.approx(error, rel=0.08)
    # z = 0.04 / 0.0158 = 2.53, one-sided p = 0.0057.
    assert test.p_value == pytest.approx(0.0057, abs=0.003)
    assert test.low == pytest.approx(0.04 - 1.96 * error, abs=0.004)
    assert test.high == pytest.approx(0.04 + 1.96 * error, abs=0.004)


def test_dependence_in_time_widens_the_error_as_theory_says() -> None:
    rng = np.random.default_rng(2)
    noise = rng.normal(size=10_000)
    series = np.zeros(10_000)
    for i in range(1, 10_000):
        series[i] = 0.6 * series[i - 1] + noise[i]
    test = paired_mean_test(series, resamples=1_000)
    # The mean of an AR(1) has long-run deviation 1 / (1 - 0.6) = 2.5 times that of its innovations.
    assert test.standard_error == pytest.approx(2.5 / np.sqrt(10_000), rel=0.15)
    assert test.block > 5


def test_means_are_those_of_the_library_draw_by_draw() -> None:
    values = np.random.default_rng(5).normal(0.02, 1.0, 700)
    test = paired_mean_test(values, resamples=600)
    library = StationaryBootstrap(test.block, values, seed=SEED).apply(np.mean, 600).ravel()
    assert (test.low, test.high) == pytest.approx(tuple(np.quantile(library, [0.025, 0.975])), abs=1e-12)
    assert test.standard_error == pytest.approx(library.std(ddof=1), rel=1e-9)
    # What is kept of one test is that of another only where moments, blocks and seed are the same.
    assert paired_mean_test(values, resamples=600, seed=1).low != test.low
    assert paired_mean_test(values, resamples=600) == test


def test_copies_of_the_same_moment_add_no_certainty() -> None:
    values = np.random.default_rng(3).normal(0.05, 1.0, 500)
    alone = paired_mean_test(values)
    fivefold = paired_mean_test(np.tile(values, 5), np.tile(np.arange(500), 5))
    assert fivefold.moments == 500
    assert fivefold.observations == 2_500
    assert fivefold.standard_error == pytest.approx(alone.standard_error, rel=1e-9)
    assert fivefold.p_value == alone.p_value


def test_moments_may_come_in_any_order() -> None:
    rng = np.random.default_rng(4)
    values, moments = rng.normal(size=300), rng.permutation(300)
    shuffled = rng.permutation(300)
    one = paired_mean_test(values, moments)
    other = paired_mean_test(values[shuffled], moments[shuffled])
    assert (one.p_value, one.block) == (other.p_value, other.block)
    assert one.mean == pytest.approx(other.mean)


def test_moments_of_different_size_are_weighted_by_their_observations() -> None:
    # One moment holds three observations of 1, three hold one of 0: the mean is that of observations.
    test = paired_mean_test([1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 2, 3])
    assert test.mean == 0.5
    assert test.moments == 4


def test_a_constant_lead_is_certain_and_a_constant_nothing_is_not() -> None:
    assert paired_mean_test(np.full(50, 0.1)).p_value == pytest.approx(1 / 2_001)
    assert paired_mean_test(np.zeros(50)).p_value == 1.0
    assert paired_mean_test(np.full(50, -0.1)).p_value == 1.0


def test_overlapping_outcomes_can_ask_for_a_shortest_block() -> None:
    values = np.random.default_rng(5).normal(size=400)
    assert paired_mean_test(values, least_block=12).block == 12


def test_the_p_value_of_no_edge_is_below_five_per_cent_about_one_time_in_twenty() -> None:
    rng = np.random.default_rng(6)
    small = [paired_mean_test(rng.normal(size=120), resamples=300).p_value <= 0.05 for _ in range(200)]
    # 200 draws at 5%: 10, with a deviation of 3.1.
    assert 2 <= sum(small) <= 20


@pytest.mark.parametrize("bad", [[], [1.0, float("nan")], [[1.0, 2.0]]])
def test_what_is_no_series_of_numbers_is_refused(bad: object) -> None:
    with pytest.raises(ValueError, match="finite differences"):
        paired_mean_test(bad)


def test_short_or_constant_series_have_block_length_one() -> None:
    assert block_length(np.ones(100)) == 1
    assert block_length(np.arange(5.0)) == 1
