"""What each operator computes: arrays (pairs, times) in, a fresh array out.

Inputs are float64, finite or NaN, and are never changed; a literal number arrives as a plain float.  So is
each result: finite or NaN.  `at` is not here, for it changes the panel; the engine does it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from agent_market.factors.kernels import cross, elementwise, order, pairs, short, sums, weighted
from agent_market.factors.operators import EMA_SPANS, Value, full_enough
from agent_market.factors.panel import Array

Compute = Callable[..., Any]
"""(array or float, ..., constants in order) -> array."""


def _delay(x: Array, lag: Value) -> Array:
    lag = min(int(lag), x.shape[1])
    out = np.empty_like(x)
    out[:, :lag] = np.nan
    out[:, lag:] = x[:, : x.shape[1] - lag]
    return out


def _lagged(kernel: Compute) -> Compute:
    """A kernel on the newest value and the one `lag` rows before."""

    def compute(x: Array, lag: Value) -> Array:
        lag = min(int(lag), x.shape[1])
        out = np.empty_like(x)
        out[:, :lag] = np.nan
        kernel(x[:, lag:], x[:, : x.shape[1] - lag], out[:, lag:])
        return out

    return compute


def _clip(x: Array, low: Value, high: Value) -> Array:
    return np.clip(x, low, high)


def _windowed(kernel: Compute, *mode: float) -> Compute:
    def compute(x: Array, window: int) -> Array:
        out = np.empty_like(x)
        kernel(x, window, full_enough(window), *mode, out)
        return out

    return compute


def _moment(kernel: Compute, *mode: float) -> Compute:
    windowed = _windowed(kernel, *mode)
    return lambda x, window: finite(windowed(x, window))


_mean = _moment(sums.mean, 1.0)


def _sum(x: Array, window: int) -> Array:
    return finite(np.multiply(_mean(x, window), float(window)))


def _age(side: float) -> Compute:
    few, many = _windowed(short.age_of_largest, side), _windowed(order.age_of_largest, side)
    return lambda x, window: (few if window <= short.LONGEST else many)(x, window)


def _ema(x: Array, span: int) -> Array:
    out = np.empty_like(x)
    window = EMA_SPANS * span
    weighted.exponential(x, window, 1.0 - 2.0 / (span + 1.0), full_enough(window), out)
    return finite(out)


def _joint(mode: int) -> Compute:
    def compute(x: Array, y: Array, window: int) -> Array:
        out = np.empty_like(x)
        pairs.joint(x, y, window, full_enough(window), mode, out)
        # Rounding may carry a correlation past 1 in the last digit.
        return np.clip(out, -1.0, 1.0, out=out) if mode == pairs.CORRELATION else finite(out)

    return compute


def _cross(mode: int) -> Compute:
    def compute(x: Array) -> Array:
        out = np.empty_like(x)
        cross.relate(x, mode, out)
        return out

    return compute


def _cross_rank(x: Array) -> Array:
    out = np.empty_like(x)
    cross.rank(x, out)
    return out


def finite(values: Array) -> Array:
    """Overflow becomes NaN, in place."""
    values[np.isinf(values)] = np.nan
    return values


COMPUTE: dict[str, Compute] = {
    "add": elementwise.add,
    "sub": elementwise.sub,
    "mul": elementwise.mul,
    "div": elementwise.div,
    "neg": np.negative,
    "abs": np.abs,
    "sign": elementwise.sign,
    "log": elementwise.log,
    "signed_power": elementwise.signed_power,
    "tanh": np.tanh,
    "clip": _clip,
    "min": elementwise.minimum,
    "max": elementwise.maximum,
    "gt": elementwise.gt,
    "ge": elementwise.ge,
    "lt": lambda x, y: elementwise.gt(y, x),
    "le": lambda x, y: elementwise.ge(y, x),
    "logical_and": elementwise.minimum,
    "logical_or": elementwise.maximum,
    "logical_not": lambda x: np.subtract(1.0, x),
    "if_else": elementwise.if_else,
    "delay": _delay,
    "delta": _lagged(elementwise.sub),
    "ts_return": _lagged(elementwise.change),
    "ts_sum": _sum,
    "ts_mean": _mean,
    "ts_std": _moment(sums.spread, 0),
    "zscore": _moment(sums.spread, 1),
    "ts_skew": _moment(sums.shape, sums.SKEWNESS),
    "ts_kurt": _moment(sums.shape, sums.KURTOSIS),
    "ts_min": _windowed(order.largest, -1.0),
    "ts_max": _windowed(order.largest, 1.0),
    "ts_argmin": _age(-1.0),
    "ts_argmax": _age(1.0),
    "ts_position": lambda x, window: finite(_windowed(order.position)(x, window)),
    "ts_rank": _windowed(order.rank),
    "ts_median": _windowed(order.median),
    "decay_linear": _moment(weighted.trend, 0),
    "ts_slope": _moment(weighted.trend, 1),
    "ts_ema": _ema,
    "ts_corr": _joint(pairs.CORRELATION),
    "ts_cov": _joint(pairs.COVARIANCE),
    "ts_beta": _joint(pairs.SLOPE),
    "cs_rank": _cross_rank,
    "cs_zscore": _cross(cross.ZSCORE),
    "cs_demean": _cross(cross.DEMEAN),
    "cs_scale": _cross(cross.SCALE),
    "cs_mean": _cross(cross.MEAN),
}
"""By operator name; a test holds it against the registry."""
