from __future__ import annotations

import numpy as np
import pytest

from agent_market.stats.uncertainty import MIN_DAYS, block_length, mean_difference

RNG = np.random.default_rng(11)
MARKET = RNG.normal(0, 0.03, 400)


def test_the_same_input_gives_the_same_interval():
    ours, theirs = RNG.normal(0.001, 0.02, 200), RNG.normal(0, 0.02, 200)
    assert mean_difference(ours, theirs) == mean_difference(ours.copy(), theirs.copy())


def test_days_are_compared_in_pairs_so_the_common_market_cancels():
    ours = MARKET + 0.002 + RNG.normal(0, 0.001, 400)
    interval = mean_difference(ours, MARKET)
    assert interval.low is not None
    assert 0 < interval.low < 0.002 < interval.high < 0.003


def test_noise_around_nothing_is_no_finding():
    interval = mean_difference(MARKET, np.roll(MARKET, 57))
    assert interval.low < 0 < interval.high


def test_equal_curves_differ_by_exactly_nothing():
    interval = mean_difference(MARKET, MARKET)
    assert (interval.mean, interval.low, interval.high) == (0, 0, 0)


def test_too_few_days_give_a_mean_and_no_interval():
    interval = mean_difference(np.full(MIN_DAYS - 1, 0.01), np.zeros(MIN_DAYS - 1))
    assert interval.mean == pytest.approx(0.01)
    assert (interval.low, interval.high) == (None, None)
    assert mean_difference(np.array([]), np.array([])).mean == 0


def test_trending_differences_get_longer_blocks():
    noise = RNG.normal(size=400)
    trending = np.convolve(noise, np.ones(20), mode="same")
    assert block_length(trending) > block_length(noise)
    assert block_length(np.r_[np.zeros(60), 1.0]) >= 1


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(40):
        interval = mean_difference(rng.normal(0.001, 0.02, 120), np.zeros(120))
        covered += interval.low <= 0.001 <= interval.high
    assert 33 <= covered <= 40


def test_returns_of_different_days_are_refused():
    with pytest.raises(ValueError, match="different days"):
        mean_difference(np.zeros(40), np.zeros(41))
