"""The information coefficient: correlation over the pairs between a factor and the return that followed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from agent_market.factors.panel import Array
from agent_market.factors.scoring.kernels import correlations


@dataclass(frozen=True, slots=True)
class IC:
    """A series of ICs in short.

    `mean` in [-1, 1]; `deviation` over time; `ratio` (ICIR) = mean / max(deviation, floor); `t` = mean over
    its standard error, which holds only for returns that do not overlap; `times` how many. All NaN but
    `times` where there are fewer than 2.
    """

    mean: float
    deviation: float
    ratio: float
    t: float
    times: int


def summary(series: Array, floor: float) -> IC:
    """Sum up a series of ICs; NaN entries (no IC at that time) are left out."""
    there = series[~np.isnan(series)]
    if len(there) < 2:
        return IC(math.nan, math.nan, math.nan, math.nan, len(there))
    mean, deviation = float(there.mean()), float(there.std(ddof=1))
    bounded = max(deviation, floor)
    return IC(mean, deviation, mean / bounded, mean / bounded * math.sqrt(len(there)), len(there))


def rank_ic(values: Array, returns: Array, min_pairs: int) -> Array:
    """Rank IC at each time; both arrays (times, pairs)."""
    ranked: Array = correlations(values, returns, min_pairs)[1]
    return ranked


def decay(values: Array, returns: Mapping[int, Array], min_pairs: int) -> dict[int, float]:
    """Mean rank IC by horizon in candles; NaN where a horizon has no complete return."""
    return {h: _mean(rank_ic(values, after, min_pairs)) for h, after in returns.items()}


def by_label(series: Array, labels: Array) -> dict[str, tuple[float, int]]:
    """Mean and number of the ICs under each label (regime, year), in order of label."""
    found = ~np.isnan(series)
    return {
        str(label): (_mean(series[labels == label]), int((found & (labels == label)).sum()))
        for label in np.unique(labels)
    }


def time_ic(values: Array, returns: Array) -> float:
    """Mean over the pairs of the correlation through time: whether the factor times a pair, not ranks it.

    NaN where no pair has two values that differ.
    """
    results = []
    for x, y in zip(values.T, returns.T, strict=True):
        there = ~np.isnan(x) & ~np.isnan(y)
        if there.sum() > 2 and np.ptp(x[there]) > 0 and np.ptp(y[there]) > 0:
            results.append(float(np.corrcoef(x[there], y[there])[0, 1]))
    return float(np.mean(results)) if results else math.nan


def _mean(series: Array) -> float:
    there = series[~np.isnan(series)]
    return float(there.mean()) if len(there) else math.nan
