"""Interval of the difference between two equity curves, by a block bootstrap of daily returns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from arch.bootstrap import StationaryBootstrap

from agent_market.stats.bootstrap import block_length

SEED = 20260901
RESAMPLES = 2_000
LEVEL = 0.95
MIN_DAYS = 30


@dataclass(frozen=True, slots=True)
class Interval:
    """Mean of a daily difference (fraction a day), its 95% interval, and the resampling behind it.

    `low` and `high` are None when there are fewer than `MIN_DAYS` days: an interval from so few
    would pretend to know its own width.
    """

    mean: float
    low: float | None
    high: float | None
    days: int
    block: float | None


def mean_difference(ours: np.ndarray, theirs: np.ndarray) -> Interval:
    """Mean of `ours - theirs` with a percentile interval from the stationary bootstrap.

    Politis & Romano (1994), block length by Politis & White (2004) as corrected in 2009, `RESAMPLES`
    resamples, fixed seed: the same input gives the same interval.  Days are resampled in pairs, so what both
    curves owe to the market cancels out.

    :param ours: daily returns; same days as `theirs`.
    :raises ValueError: the lengths differ.
    """
    if ours.shape != theirs.shape:
        raise ValueError(f"returns of different days: {ours.shape} and {theirs.shape}")
    difference = np.asarray(ours - theirs, dtype=float)
    days = len(difference)
    mean = float(difference.mean()) if days else 0.0
    if days < MIN_DAYS:
        return Interval(mean, None, None, days, None)
    if np.ptp(difference) < 1e-15:
        return Interval(mean, mean, mean, days, None)
    block = block_length(difference)
    bootstrap = StationaryBootstrap(block, difference, seed=SEED)
    low, high = bootstrap.conf_int(np.mean, reps=RESAMPLES, method="percentile", size=LEVEL).ravel()
    return Interval(mean, float(low), float(high), days, block)
