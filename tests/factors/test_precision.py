"""Where the usual rolling sums go wrong, ours must not."""

from __future__ import annotations

import numpy as np
import pytest

from agent_market.factors.compute import COMPUTE
from agent_market.factors.operators import full_enough

WINDOWS = (4, 16, 17, 60)


def _exact(values: np.ndarray, window: int, function) -> np.ndarray:
    """`function` on each whole window, in extended precision."""
    long = values.astype(np.longdouble)
    out = np.full(len(values), np.nan)
    for t in range(window - 1, len(values)):
        out[t] = function(long[t - window + 1 : t + 1])
    return out


@pytest.mark.parametrize("window", WINDOWS)
def test_a_deviation_of_a_thousandth_around_a_hundred_thousand_is_exact(window: int) -> None:
    values = 1e5 + np.random.default_rng(0).normal(0, 1e-3, 2_000)
    ours = COMPUTE["ts_std"](values[None, :], window)[0]
    exact = _exact(values, window, lambda x: np.std(x, ddof=1))
    whole = ~np.isnan(exact)
    np.testing.assert_allclose(ours[whole], exact[whole], rtol=1e-9)


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize(
    "name", ["ts_mean", "ts_std", "zscore", "decay_linear", "ts_ema", "ts_slope", "ts_kurt"]
)
def test_one_spike_leaves_no_trace_after_its_window(name: str, window: int) -> None:
    values = np.random.default_rng(1).normal(0, 1, 1_000)
    spiked = values.copy()
    spiked[200] = 1e14
    reach = 3 * window if name == "ts_ema" else window
    if name in ("ts_kurt",) and window < 5:
        pytest.skip("needs 5 rows")
    clean, after = (COMPUTE[name](x[None, :], window)[0] for x in (values, spiked))
    np.testing.assert_allclose(after[200 + reach :], clean[200 + reach :], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("window", WINDOWS)
def test_a_constant_window_has_exactly_no_deviation_and_no_zscore(window: int) -> None:
    values = np.full((1, 300), 0.1)
    whole = slice(window - 1, None)
    assert (COMPUTE["ts_std"](values, window)[0, whole] == 0).all()
    assert np.isnan(COMPUTE["zscore"](values, window)).all()
    other = np.random.default_rng(2).normal(size=values.shape)
    assert np.isnan(COMPUTE["ts_corr"](values, other, window)).all()


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("level", [0.0, 1e6, -1e9])
def test_moments_and_correlation_agree_with_extended_precision_at_any_level(
    window: int, level: float
) -> None:
    random = np.random.default_rng(3)
    x = level + np.round(random.normal(0, 1, 600), 3)
    y = level + np.round(random.normal(0, 1, 600), 3)
    whole = slice(window - 1, None)
    mean = COMPUTE["ts_mean"](x[None, :], window)[0]
    np.testing.assert_allclose(mean[whole], _exact(x, window, np.mean)[whole], rtol=1e-13, atol=1e-9)
    pairs = np.stack([x, y]).astype(np.longdouble)
    expected = [
        float(np.corrcoef(pairs[:, t - window + 1 : t + 1] - pairs[:, t : t + 1])[0, 1])
        for t in range(window - 1, 600)
    ]
    ours = COMPUTE["ts_corr"](x[None, :], y[None, :], window)[0]
    np.testing.assert_allclose(ours[whole], expected, rtol=1e-9, atol=1e-9)


def test_four_fifths_of_a_window_are_enough_and_less_are_not() -> None:
    assert [full_enough(w) for w in (2, 3, 4, 5, 10, 24)] == [2, 3, 4, 4, 8, 20]
    values = np.arange(40.0)
    values[[11, 13]] = np.nan
    mean = COMPUTE["ts_mean"](values[None, :], 10)[0]
    assert mean[19] == pytest.approx((10 + 12 + 14 + 15 + 16 + 17 + 18 + 19) / 8)  # 8 of 10
    values[15] = np.nan
    assert np.isnan(COMPUTE["ts_mean"](values[None, :], 10)[0, 19])  # 7 of 10


@pytest.mark.parametrize("window", [5, 16, 17, 60])
def test_skewness_and_kurtosis_agree_with_extended_precision_on_heavy_tails(window: int) -> None:
    values = np.random.default_rng(4).standard_cauchy(500) + 1e3

    def central(x: np.ndarray, power: int) -> np.longdouble:
        return ((x - x.mean()) ** power).mean()

    def skewness(x: np.ndarray) -> np.longdouble:
        n = len(x)
        return np.sqrt(np.longdouble(n * (n - 1))) / (n - 2) * central(x, 3) / central(x, 2) ** 1.5

    def kurtosis(x: np.ndarray) -> np.longdouble:
        n = len(x)
        ratio = central(x, 4) / central(x, 2) ** 2
        return (n - 1) / np.longdouble((n - 2) * (n - 3)) * ((n + 1) * ratio - 3 * (n - 1))

    whole = slice(window - 1, None)
    for name, function in (("ts_skew", skewness), ("ts_kurt", kurtosis)):
        ours = COMPUTE[name](values[None, :], window)[0]
        np.testing.assert_allclose(ours[whole], _exact(values, window, function)[whole], rtol=1e-9, atol=1e-9)


MOMENTS = (
    "ts_sum", "ts_mean", "ts_std", "zscore", "ts_skew", "ts_kurt", "decay_linear", "ts_slope", "ts_ema",
    "ts_corr", "ts_cov", "ts_beta",
)  # fmt: skip


def _of(name: str, series: list[np.ndarray], window: int) -> np.ndarray:
    pair = name in ("ts_corr", "ts_cov", "ts_beta")
    return COMPUTE[name](*(np.ascontiguousarray(x) for x in series[: 1 + pair]), window)


@pytest.mark.parametrize("kind", ["plain", "gaps", "spikes", "steps", "flat", "level"])
@pytest.mark.parametrize("name", MOMENTS)
def test_a_moment_is_the_same_bit_for_bit_on_a_part_and_on_the_whole(name: str, kind: str) -> None:
    random = np.random.default_rng(11)
    series = [random.normal(size=(2, 2_600)) for _ in range(2)]
    for x in series:
        if kind == "gaps":
            x[random.random(x.shape) < 0.004] = np.nan
        elif kind == "spikes":
            x[random.random(x.shape) < 0.01] *= 1e12
        elif kind == "steps":
            x[:] = np.round(x)
        elif kind == "flat":
            x[:] = 7.0 + 1e-12 * (x > 1)
        elif kind == "level":
            x += 1e9
    for window in (5, 8, 13, 60, 255, 600):
        reach = 3 * window if name == "ts_ema" else window
        whole = _of(name, series, window)
        for start, stop in ((0, 2_000), (100, 2_100), (777, 2_599), (1_313, 2_600), (2_600 - reach, 2_600)):
            part = _of(name, [x[:, start:stop] for x in series], window)
            sure = part[:, reach - 1 :]
            np.testing.assert_array_equal(
                sure.view(np.int64), whole[:, start + reach - 1 : stop].view(np.int64), f"{window} {start}"
            )


@pytest.mark.parametrize("name", ["ts_skew", "ts_kurt"])
@pytest.mark.parametrize("window", [5, 24, 60, 240])
def test_the_third_and_fourth_moments_are_exact_beside_a_spike_and_at_any_level(
    name: str, window: int
) -> None:
    random = np.random.default_rng(12)
    plain = random.normal(size=700)
    spiked = np.where(random.random(700) < 0.02, 1e7, 1.0) * plain
    for values in (plain, spiked, 1e6 + np.round(plain, 3)):
        exact = _exact(values, window, _skewness if name == "ts_skew" else _kurtosis)
        ours = COMPUTE[name](values[None, :], window)[0]
        there = slice(window - 1, None)
        np.testing.assert_allclose(ours[there], exact[there], rtol=1e-11, atol=1e-11)


def _skewness(x: np.ndarray) -> np.ndarray:
    n, d = np.longdouble(len(x)), x - x.mean()
    return np.sqrt(n * (n - 1)) / (n - 2) * (d**3).mean() / (d**2).mean() ** np.longdouble(1.5)


def _kurtosis(x: np.ndarray) -> np.ndarray:
    n, d = np.longdouble(len(x)), x - x.mean()
    return (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * (d**4).mean() / (d**2).mean() ** 2 - 3 * (n - 1))
