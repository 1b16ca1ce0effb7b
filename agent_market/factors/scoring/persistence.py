"""How long a factor's ordering of the pairs lasts."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from agent_market.factors.panel import Array
from agent_market.factors.scoring.ic import rank_ic
from agent_market.factors.scoring.sample import Sample


def autocorrelation(values: Array, sample: Sample, lags: Sequence[int], min_pairs: int) -> dict[int, float]:
    """Mean rank correlation over the pairs of the factor with itself `lag` rows before; NaN where none."""
    out = {}
    for lag in lags:
        late = sample.rows >= lag
        if not late.any():
            continue
        now = np.ascontiguousarray(values[:, sample.rows[late]].T)
        before = np.ascontiguousarray(values[:, sample.rows[late] - lag].T)
        series = rank_ic(now, before, min_pairs)
        there = series[~np.isnan(series)]
        out[lag] = float(there.mean()) if len(there) else math.nan
    return out


def half_life(correlations: dict[int, float]) -> float:
    """Candles until the rank autocorrelation has fallen to one half, between lags along a straight line.

    Infinity where it never does within the lags, NaN where nothing is known.
    """
    known = [(lag, value) for lag, value in sorted(correlations.items()) if not math.isnan(value)]
    if not known:
        return math.nan
    earlier = (0, 1.0)
    for lag, value in known:
        if value <= 0.5:
            share = (earlier[1] - 0.5) / (earlier[1] - value)
            return earlier[0] + share * (lag - earlier[0])
        earlier = (lag, value)
    return math.inf
