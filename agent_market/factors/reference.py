"""Each operator in plain pandas: slow, obvious, and what the engine is held against.

Frames are times x pairs. Only public pandas calls, one line an operator where pandas has one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from agent_market.factors.operators import AT, EMA_SPANS, TIMEFRAMES, full_enough
from agent_market.factors.panel import CandlePanel
from agent_market.factors.tree import FIELD, NUMBER, Tree

Frame = pd.DataFrame


def evaluate(tree: Tree, panel: CandlePanel) -> Frame:
    """Values of the tree as a frame, times x pairs, finite or NaN."""
    frames = {name: panel.frame(values) for name, values in panel.columns.items()}
    with np.errstate(all="ignore"):
        return _value(tree, frames, panel.minutes)


def _value(tree: Tree, frames: Mapping[str, Frame], minutes: int) -> Any:
    if tree.operator == FIELD:
        return frames[str(tree.constants[0])]
    if tree.operator == NUMBER:
        close = frames["close"]
        return pd.DataFrame(float(tree.constants[0]), index=close.index, columns=close.columns)
    if tree.operator == AT.name:
        return _at(tree, frames, minutes)
    inputs = [_value(child, frames, minutes) for child in tree.children]
    result = REFERENCE[tree.operator](*inputs, *tree.constants)
    return result.where(np.isfinite(result))


def _at(tree: Tree, frames: Mapping[str, Frame], minutes: int) -> Frame:
    longer = TIMEFRAMES[str(tree.constants[0])]
    closes = frames["close"].index
    opens = pd.DatetimeIndex(closes) - pd.Timedelta(minutes=minutes)
    how = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    bars: dict[str, Frame] = {}
    for name, frame in frames.items():
        bins = frame.set_axis(opens).resample(f"{longer}min", origin="epoch")
        joined = getattr(bins, how[name])(**({"min_count": 1} if how[name] == "sum" else {}))
        joined.index = joined.index + pd.Timedelta(minutes=longer)
        whole = (joined.index <= closes[-1]) & (joined.index - pd.Timedelta(minutes=longer) >= opens[0])
        bars[name] = joined[whole]
    values = _value(tree.children[0], bars, longer)
    newest = values.index.searchsorted(closes, side="right") - 1
    seen = (
        values.to_numpy()[newest.clip(min=0)]
        if len(values)
        else np.full((len(closes), values.shape[1]), np.nan)
    )
    seen = np.where((newest >= 0)[:, None], seen, np.nan)
    return pd.DataFrame(seen, index=closes, columns=values.columns)


def _rolling(x: Frame, window: int) -> Any:
    return x.rolling(window, min_periods=full_enough(window))


def _linear(values: np.ndarray) -> float:
    weights = np.arange(1, len(values) + 1)[~np.isnan(values)]
    return float(np.average(values[~np.isnan(values)], weights=weights))


def _exponential(keep: float) -> Callable[[np.ndarray], float]:
    def mean(values: np.ndarray) -> float:
        there = ~np.isnan(values)
        weights = keep ** np.arange(len(values) - 1, -1, -1)[there]
        return float(np.average(values[there], weights=weights))

    return mean


def _slope(values: np.ndarray) -> float:
    there = ~np.isnan(values)
    steps = np.arange(len(values))[there]
    return float(np.polyfit(steps, values[there], 1)[0])


def _age(values: np.ndarray) -> float:
    """Age of the largest, the newest of equals."""
    newest_first = values[::-1]
    return float(np.nanargmax(newest_first)) / (len(values) - 1)


def _window_applied(function: Callable[[np.ndarray], float]) -> Callable[..., Frame]:
    """Rows before the panel count as absent, so that a window at its start is still a whole window."""

    def compute(x: Frame, window: int) -> Frame:
        padded = pd.concat([pd.DataFrame(np.nan, index=range(window - 1), columns=x.columns),
                            x.reset_index(drop=True)], ignore_index=True)  # fmt: skip
        values = _rolling(padded, window).apply(function, raw=True).iloc[window - 1 :]
        return values.set_axis(x.index)

    return compute


def _ema(x: Frame, span: int) -> Frame:
    return _window_applied(_exponential(1 - 2 / (span + 1)))(x, EMA_SPANS * span)


def _both(x: Frame, y: Frame) -> tuple[Frame, Frame]:
    there = x.notna() & y.notna()
    return x.where(there), y.where(there)


def _corr(x: Frame, y: Frame, window: int) -> Frame:
    x, y = _both(x, y)
    varies = (_rolling(x, window).std() > 0) & (_rolling(y, window).std() > 0)
    return _rolling(x, window).corr(y).where(varies).clip(-1, 1)


def _cov(x: Frame, y: Frame, window: int) -> Frame:
    x, y = _both(x, y)
    return _rolling(x, window).cov(y)


def _beta(x: Frame, y: Frame, window: int) -> Frame:
    x, y = _both(x, y)
    variance = _rolling(y, window).var()
    return (_rolling(x, window).cov(y) / variance).where(variance > 0)


def _compared(compare: Callable[[Frame, Frame], Frame]) -> Callable[[Frame, Frame], Frame]:
    return lambda x, y: compare(x, y).astype(float).where(x.notna() & y.notna())


def _enough(x: Frame) -> Any:
    """Cells with a value, at times when at least 2 pairs have one."""
    return x.notna().mul(x.notna().sum(axis=1) >= 2, axis=0)


def _smaller(x: Frame, y: Frame) -> Frame:
    return x.where(x < y, y).where(x.notna() & y.notna())


def _larger(x: Frame, y: Frame) -> Frame:
    return x.where(x > y, y).where(x.notna() & y.notna())


def _spread_of(x: Frame, window: int) -> Frame:
    return _rolling(x, window).std()


def _position(x: Frame, window: int) -> Frame:
    low, high = _rolling(x, window).min(), _rolling(x, window).max()
    return (x - low) / (high - low)


def _cross_zscore(x: Frame) -> Frame:
    mean, deviation = x.mean(axis=1), x.std(axis=1)
    varies = deviation > 4e-16 * mean.abs()  # equal values may differ from their own mean by rounding
    return x.sub(mean, axis=0).div(deviation.where(varies), axis=0).where(_enough(x))


def _cross_mean(x: Frame) -> Frame:
    return pd.DataFrame(np.tile(x.mean(axis=1).to_numpy()[:, None], x.shape[1]), x.index, x.columns)


REFERENCE: dict[str, Callable[..., Any]] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y,
    "neg": lambda x: -x,
    "abs": lambda x: x.abs(),
    "sign": np.sign,
    "log": lambda x: np.log(x.where(x > 0)),
    "signed_power": lambda x, p: np.sign(x) * x.abs() ** p,
    "tanh": np.tanh,
    "clip": lambda x, low, high: x.clip(low, high),
    "min": _smaller,
    "max": _larger,
    "gt": _compared(lambda x, y: x > y),
    "ge": _compared(lambda x, y: x >= y),
    "lt": _compared(lambda x, y: x < y),
    "le": _compared(lambda x, y: x <= y),
    "logical_and": _smaller,
    "logical_or": _larger,
    "logical_not": lambda x: 1 - x,
    "if_else": lambda c, x, y: x.where(c == 1, y).where(c.notna()),
    "delay": lambda x, d: x.shift(d),
    "delta": lambda x, d: x - x.shift(d),
    "ts_return": lambda x, d: x / x.shift(d) - 1,
    "ts_sum": lambda x, w: _rolling(x, w).mean() * w,
    "ts_mean": lambda x, w: _rolling(x, w).mean(),
    "ts_std": _spread_of,
    "zscore": lambda x, w: (x - _rolling(x, w).mean()) / _spread_of(x, w),
    "ts_skew": lambda x, w: _rolling(x, w).skew().where(_spread_of(x, w) > 0),
    "ts_kurt": lambda x, w: _rolling(x, w).kurt().where(_spread_of(x, w) > 0),
    "ts_min": lambda x, w: _rolling(x, w).min(),
    "ts_max": lambda x, w: _rolling(x, w).max(),
    "ts_argmin": lambda x, w: _window_applied(_age)(-x, w),
    "ts_argmax": lambda x, w: _window_applied(_age)(x, w),
    "ts_position": _position,
    "ts_rank": lambda x, w: _rolling(x, w).rank(pct=True).where(x.notna()),
    "ts_median": lambda x, w: _rolling(x, w).median(),
    "decay_linear": _window_applied(_linear),
    "ts_ema": _ema,
    "ts_slope": _window_applied(_slope),
    "ts_corr": _corr,
    "ts_cov": _cov,
    "ts_beta": _beta,
    "cs_rank": lambda x: x.rank(axis=1, pct=True).where(_enough(x)),
    "cs_zscore": _cross_zscore,
    "cs_demean": lambda x: x.sub(x.mean(axis=1), axis=0).where(_enough(x)),
    "cs_scale": lambda x: x.div(x.abs().sum(axis=1), axis=0).where(_enough(x)),
    "cs_mean": lambda x: _cross_mean(x).where(_enough(x)),
}
"""By operator name: frames in, constants last, frame out."""
