"""The signals that the rules weigh: each a pure function of a case, in [-1, 1], positive = up.

A signal whose inputs are absent is None, never 0: "not known" and "no tilt" are different things.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

from agent_market.sandbox.model.case import Case, Recalled

Signal = Callable[[Case], "float | None"]

_SMALLEST_VOLATILITY = 1e-9


def move(case: Case, candles: int) -> float | None:
    """The return over so many candles in standard deviations: r_h / (volatility_24 * sqrt(h))."""
    change = case.features.get(f"return_{candles}")
    volatility = case.features.get("volatility_24")
    if change is None or volatility is None or volatility < _SMALLEST_VOLATILITY:
        return None
    return change / (volatility * math.sqrt(candles))


def evidence(recall: Recalled | None) -> float | None:
    """What recall says: tanh(t / 2) with t = mean / (std / sqrt(n)); needs n >= 2 and std > 0."""
    if recall is None or recall.n < 2 or recall.std <= 0:
        return None
    return math.tanh(recall.mean / recall.std * math.sqrt(recall.n) / 2)


def _trend(case: Case) -> float | None:
    trend = case.features.get("trend")
    return None if trend is None else math.tanh(trend / 1.5)


def _momentum(candles: int) -> Signal:
    def momentum(case: Case) -> float | None:
        z = move(case, candles)
        return None if z is None else math.tanh(z)

    return momentum


def _macd(case: Case) -> float | None:
    macd = case.features.get("macd_hist")
    return None if macd is None else math.tanh(macd)


def _breakout(case: Case) -> float | None:
    z, volume = move(case, 12), case.features.get("volume_z")
    return None if z is None or volume is None else math.tanh(z) * _clip(volume / 2, 0, 1)


def _stretch(case: Case) -> float | None:
    z = move(case, 12)
    return None if z is None else -math.tanh(z / 1.5)


def _rsi_reversal(case: Case) -> float | None:
    rsi = case.features.get("rsi_14")
    return None if rsi is None else _clip((0.5 - rsi) / 0.25, -1, 1)


def _crowd(case: Case) -> float | None:
    greed = case.context.get("fear_greed")
    return None if greed is None else _clip((50 - greed) / 50, -1, 1)


def _recall(case: Case) -> float | None:
    return evidence(case.recall)


def _clip(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


SIGNALS: Mapping[str, Signal] = MappingProxyType(
    {
        "trend": _trend,
        "momentum_24": _momentum(24),
        "momentum_72": _momentum(72),
        "macd": _macd,
        "breakout": _breakout,
        "stretch": _stretch,
        "rsi_reversal": _rsi_reversal,
        "crowd": _crowd,
        "recall": _recall,
    }
)
"""Name -> function; the formulas stand in docs/reference/sandbox-model.md."""
