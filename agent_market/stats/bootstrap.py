"""Test whether a mean is above zero, for observations dependent in time and across markets.

The stationary bootstrap (Politis & Romano 1994): blocks of random length keep the dependence in time; all
observations of one moment are drawn together, which keeps that between markets.  The mean block length is
that of Politis & White (2004) as corrected by Patton, Politis & White (2009).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

import numpy as np
import numpy.typing as npt
from arch.bootstrap import StationaryBootstrap, optimal_block_length

from agent_market.utils.arrays import Floats

SEED = 20260901
RESAMPLES = 2_000

# Draws of up to so many entries are kept, so many resamples at a time are summed.
_MOST_KEPT = 8_000_000
_PART = 250


@dataclass(frozen=True, slots=True)
class MeanTest:
    """A mean with its interval and p-value, and the resampling behind them.

    `low` and `high` bound the two-sided percentile interval at `level`; `p_value` is one-sided, of the
    hypothesis that the true mean is at most 0; `standard_error` is the deviation of the resampled means.
    `observations` are in `moments` different moments; `block` is the mean block length in moments.
    """

    mean: float
    low: float
    high: float
    level: float
    p_value: float
    standard_error: float
    observations: int
    moments: int
    block: int


def paired_mean_test(
    difference: npt.ArrayLike,
    moments: npt.ArrayLike | None = None,
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    least_block: int = 1,
    seed: int = SEED,
) -> MeanTest:
    """Test the mean of paired differences (candidate - reference, each pair on the same occasion).

    The p-value is that of the bootstrap distribution moved to mean 0 (Hall & Wilson 1991), with the one
    added to both counts that keeps it valid (Davison & Hinkley 1997, eq. 4.11):

        p = (1 + #{m* - m >= m}) / (resamples + 1)

    :param difference: (n,) finite numbers, n >= 1.
    :param moments: (n,) time of each, any unit and order; those of the same time are drawn together.
        None: each observation has its own time, in the order given.
    :param least_block: shortest mean block length, in moments: outcomes that overlap in time are alike,
        however uncorrelated the estimate finds them.
    :raises ValueError: no observations, a number that is not finite, or shapes that differ.
    """
    values = np.asarray(difference, dtype=np.float64)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise ValueError(f"needs one or more finite differences in one row, got shape {values.shape}")
    sums, counts = _by_moment(values, moments)
    mean = float(values.mean())
    block = max(block_length(sums / counts), min(least_block, len(sums)))
    if np.ptp(values) == 0.0:
        p_value = 1.0 / (resamples + 1) if mean > 0 else 1.0
        return MeanTest(mean, mean, mean, level, p_value, 0.0, len(values), len(sums), block)
    means = _resampled(sums, counts, block, resamples, seed)
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(means, [tail, 1.0 - tail])
    # Rounding in the resampled sums must not decide between equal means.
    as_large = int(np.count_nonzero(means - mean >= mean - 1e-12 * np.abs(values).max()))
    return MeanTest(
        mean=mean,
        low=float(low),
        high=float(high),
        level=level,
        p_value=(1 + as_large) / (resamples + 1),
        standard_error=float(means.std(ddof=1)),
        observations=len(values),
        moments=len(sums),
        block=block,
    )


def block_length(series: Floats) -> int:
    """Optimal mean block length of the stationary bootstrap, at least 1 and at most a third of the series.

    A series that does not vary, or is too short for an estimate (under 9 values), has block length 1.
    """
    if len(series) < 9 or np.ptp(series) < 1e-15:
        return 1
    estimate = float(optimal_block_length(series)["stationary"].iloc[0])
    longest = max(len(series) // 3, 1)
    return longest if not math.isfinite(estimate) else int(min(max(math.ceil(estimate), 1), longest))


def _by_moment(values: Floats, moments: npt.ArrayLike | None) -> tuple[Floats, Floats]:
    """Sum and count of each moment, in order of time."""
    if moments is None:
        return values, np.ones(len(values))
    times = np.asarray(moments)
    if times.shape != values.shape:
        raise ValueError(f"{len(values)} differences at {times.shape} moments")
    _, which = np.unique(times, return_inverse=True)
    sums = np.bincount(which, weights=values).astype(np.float64)
    return sums, np.bincount(which).astype(np.float64)


def _resampled(sums: Floats, counts: Floats, block: int, resamples: int, seed: int) -> Floats:
    """(resamples,) means of resampled moments."""
    means = np.empty(resamples)
    at = 0
    for chosen in _draws(len(sums), block, resamples, seed):
        means[at : at + len(chosen)] = sums[chosen].sum(axis=1) / counts[chosen].sum(axis=1)
        at += len(chosen)
    return means


def _draws(count: int, block: int, resamples: int, seed: int) -> Iterable[npt.NDArray[np.integer]]:
    """Parts of (resamples, count), which moments each resample is made of."""
    if count * resamples <= _MOST_KEPT:
        return _kept_draws(count, block, resamples, seed)
    return _new_draws(count, block, resamples, seed)


@lru_cache(maxsize=16)
def _kept_draws(count: int, block: int, resamples: int, seed: int) -> tuple[npt.NDArray[np.integer], ...]:
    # Tables test many series of the same moments; making the draws is nearly all that a test costs.
    return tuple(_new_draws(count, block, resamples, seed))


def _new_draws(count: int, block: int, resamples: int, seed: int) -> Iterator[npt.NDArray[np.integer]]:
    narrow = np.min_scalar_type(count)
    bootstrap = StationaryBootstrap(block, np.arange(count), seed=seed)
    drawn = (positional[0] for positional, _ in bootstrap.bootstrap(resamples))
    while part := list(islice(drawn, _PART)):
        yield np.stack(part).astype(narrow)
