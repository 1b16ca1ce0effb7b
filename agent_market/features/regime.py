"""A coarse label of the market's state: direction and calm, from two features."""

from __future__ import annotations

import math
from collections.abc import Mapping

TREND_THRESHOLD = 1.0
"""|trend| beyond which the market has a direction: one standard deviation of a random walk's."""

WILD_PERCENTILE = 2 / 3
"""Volatility percentile from which the market is wild: the upper third of the last 240 candles."""

UNKNOWN = "unknown"
REGIMES = ("up-calm", "up-wild", "chop-calm", "chop-wild", "down-calm", "down-wild", UNKNOWN)


def regime(features: Mapping[str, float]) -> str:
    """One of `REGIMES`, from `trend` and `volatility_percentile`; `unknown` if either is absent or NaN."""
    trend = features.get("trend", math.nan)
    percentile = features.get("volatility_percentile", math.nan)
    if math.isnan(trend) or math.isnan(percentile):
        return UNKNOWN
    direction = "up" if trend > TREND_THRESHOLD else "down" if trend < -TREND_THRESHOLD else "chop"
    return f"{direction}-{'wild' if percentile >= WILD_PERCENTILE else 'calm'}"
