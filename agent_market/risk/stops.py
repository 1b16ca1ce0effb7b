"""The one stop rule: so many average true ranges from the price, between a floor and a ceiling.

Stops tighten with falling volatility and widen with rising volatility *before* the trade; once it is open,
freqtrade keeps the nearest stop that was ever set, so an open trade's stop only moves with the price.
ATR: Wilder's smoothing, New Concepts in Technical Trading Systems (1978).
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from agent_market.config import StopRule
from agent_market.utils.arrays import Floats


def average_true_range(high: Floats, low: Floats, close: Floats, candles: int) -> Floats:
    """(T,) Wilder's ATR in price units, causal; the first value is the first candle's range."""
    before = np.concatenate([close[:1], close[:-1]])
    true_range = np.maximum(high - low, np.maximum(np.abs(high - before), np.abs(low - before)))
    return pd.Series(true_range).ewm(alpha=1.0 / candles, adjust=False).mean().to_numpy()


def stop_distance(atr: float, rate: float, rule: StopRule) -> float:
    """Distance of the stop as a fraction of price, in [floor, ceiling]; the ceiling without an ATR."""
    if not (math.isfinite(atr) and atr > 0.0 and rate > 0.0):
        return rule.ceiling
    return min(max(rule.atr_multiple * atr / rate, rule.floor), rule.ceiling)
