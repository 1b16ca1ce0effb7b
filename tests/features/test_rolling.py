"""Rolling statistics against their definitions, and their independence of what lies before the window."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from agent_market.features.rolling import lagged, rolling_mean_std, rolling_percentile, rolling_sum

numbers = st.floats(-1e6, 1e6, allow_subnormal=False)
series = arrays(np.float64, st.integers(0, 60), elements=numbers)


def test_sums_and_deviations_are_those_worked_out_by_hand():
    values = np.array([1.0, 2.0, 4.0, 8.0])
    mean, std = rolling_mean_std(values, 3)

    np.testing.assert_array_equal(rolling_sum(values, 3), [np.nan, np.nan, 7.0, 14.0])
    np.testing.assert_allclose(mean, [np.nan, np.nan, 7 / 3, 14 / 3], rtol=1e-15)
    # (1, 2, 4) is 16/9 + 1/9 + 25/9 = 42/9 from its mean, (2, 4, 8) is 168/9; divided by n - 1 = 2
    np.testing.assert_allclose(std, [np.nan, np.nan, np.sqrt(21 / 9), np.sqrt(84 / 9)], rtol=1e-15)


@given(values=series, window=st.integers(2, 25))
def test_every_window_size_agrees_with_summing_each_window_by_itself(values, window):
    windows = [values[t - window + 1 : t + 1] for t in range(window - 1, len(values))]
    size = max(np.abs(values).max(initial=1.0), 1.0)
    mean, std = rolling_mean_std(values, window)

    np.testing.assert_allclose(
        rolling_sum(values, window)[window - 1 :], [w.sum() for w in windows], atol=1e-12 * size * window
    )
    np.testing.assert_allclose(mean[window - 1 :], [w.mean() for w in windows], atol=1e-12 * size)
    np.testing.assert_allclose(std[window - 1 :], [w.std(ddof=1) for w in windows], atol=1e-10 * size)
    assert np.isnan(rolling_sum(values, window)[: window - 1]).all()


@given(before=series, values=series, window=st.integers(2, 25))
def test_a_window_gives_the_same_bits_whatever_came_before_it(before, values, window):
    together = np.concatenate([before * 1e6, values])
    for function in (rolling_sum, lambda x, n: rolling_mean_std(x, n)[1], rolling_percentile):
        alone = function(values, window)[window - 1 :]
        np.testing.assert_array_equal(function(together, window)[len(before) + window - 1 :], alone)


def test_a_nan_reaches_as_far_as_the_window_and_no_further():
    values = np.array([1.0, 1.0, np.nan, 1.0, 1.0, 1.0, 1.0])
    expected = [True, True, True, True, True, False, False]

    assert np.isnan(rolling_sum(values, 3)).tolist() == expected
    assert np.isnan(rolling_mean_std(values, 3)[1]).tolist() == expected


@pytest.mark.parametrize("level", [0.0, 0.1, 1e-9, 1e9])
def test_a_constant_has_deviation_exactly_zero_and_the_middle_percentile(level):
    values = np.full(50, level)

    assert (rolling_mean_std(values, 24)[1][23:] == 0.0).all()
    assert (rolling_percentile(values, 24)[23:] == 0.5).all()


def test_the_percentile_runs_from_the_lowest_at_zero_to_the_highest_at_one():
    values = np.array([3.0, 1.0, 2.0, 9.0, 0.0, 5.0])

    np.testing.assert_allclose(rolling_percentile(values, 3), [np.nan, np.nan, 0.5, 1.0, 0.0, 0.5])


def test_the_percentile_ranks_the_known_values_when_some_are_missing():
    values = np.array([3.0, np.nan, 2.0, np.nan, 4.0])

    np.testing.assert_allclose(rolling_percentile(values, 3, min_count=2), [np.nan, np.nan, 0.0, np.nan, 1.0])


def test_lagging_by_more_than_there_is_gives_nothing():
    assert np.isnan(lagged(np.arange(3.0), 5)).all()
    assert lagged(np.arange(3.0), 0).tolist() == [0.0, 1.0, 2.0]
