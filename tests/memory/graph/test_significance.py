from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from agent_market.stats.significance import autocorrelation, correlation, effective_size, mean_test, q_values


def test_benjamini_hochberg_by_hand() -> None:
    # sorted: .01 .02 .03 .04 .5 -> .05 .05 .05 .05 .5
    assert q_values([0.04, 0.01, 0.5, 0.03, 0.02]) == pytest.approx([0.05, 0.05, 0.5, 0.05, 0.05])
    # .001 * 4 / 1, then .2 * 4 / 2 = .4 > .3 * 4 / 3 = .4, .9
    assert q_values([0.001, 0.2, 0.3, 0.9]) == pytest.approx([0.004, 0.4, 0.4, 0.9])
    assert q_values([]).tolist() == []
    assert q_values([0.03, 0.8]) == pytest.approx(stats.false_discovery_control([0.03, 0.8]))


def test_autocorrelation_by_hand() -> None:
    # centred: -1 0 1 0 -1 0 1 0 (sum of squares 4); lag 1: 0; lag 2: -1 + 0 - 1 + 0 - 1 + 0 = -3
    wave = np.array([-1.0, 0.0, 1.0, 0.0, -1.0, 0.0, 1.0, 0.0])
    assert autocorrelation(wave, 2) == pytest.approx([0.0, -0.75])


def test_dependent_pairs_are_worth_fewer() -> None:
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(2, 4_000))
    assert effective_size(noise[0], noise[1]) > 3_500
    slow = np.array([np.convolve(row, np.ones(20) / 20, mode="valid") for row in noise])
    assert effective_size(slow[0], slow[1], lags=40) < 600


def test_a_correlation_is_students_t_where_observations_are_independent() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=500)
    y = 0.2 * x + rng.normal(size=500)
    found = correlation(x, y)
    assert found is not None
    r, p, size = found
    assert r == pytest.approx(stats.pearsonr(x, y).statistic)
    t = r * np.sqrt((size - 2) / (1 - r * r))
    assert p == pytest.approx(2 * stats.t.sf(t, size - 2))
    x[3] = np.nan
    assert correlation(x, y) != found
    assert correlation(x[:29], y[:29]) is None
    assert correlation(np.ones(100), y[:100]) is None


def test_a_mean_of_overlapping_values_is_less_certain() -> None:
    rng = np.random.default_rng(3)
    independent = rng.normal(0.1, 1.0, 400)
    t, p, size = mean_test(independent) or (0.0, 0.0, 0.0)
    assert t == pytest.approx(stats.ttest_1samp(independent, 0.0).statistic * np.sqrt(size / 400))
    repeated = np.repeat(independent, 5)
    again = mean_test(repeated)
    assert again is not None
    assert again[2] < 600
    assert again[1] > p / 10


@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_false_findings_stay_rare_when_nothing_is_there(momentum: float) -> None:
    """200 pairs of unrelated series; p-values below 5% in about 5% of them, momentum or not."""
    rng = np.random.default_rng(4)
    false = 0
    for _ in range(200):
        x, y = rng.normal(size=(2, 300))
        for n in range(1, 300):
            x[n] += momentum * x[n - 1]
            y[n] += momentum * y[n - 1]
        found = correlation(x, y)
        assert found is not None
        false += found[1] < 0.05
    assert false <= 20
