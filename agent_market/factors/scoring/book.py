"""What the factor would have made as a book, after costs: long what it ranks high, short the low."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from agent_market.factors.panel import Array
from agent_market.factors.scoring.kernels import bucket_means, rank_weights

MINUTES_PER_YEAR = 365.25 * 24 * 60


@dataclass(frozen=True, slots=True)
class Book:
    """A market-neutral book of weights by rank, absolute sum 1, rebuilt at each sampled time.

    `gross` and `net` are mean returns per holding period (fractions of the book); `sharpe` is of the net
    returns, annualised; `turnover` in [0, 1] is the share of the book replaced at each rebuilding. A pair
    without a return counts 0; weights do not drift between rebuildings.
    """

    gross: float
    net: float
    sharpe: float
    turnover: float
    periods: int


def sorted_book(
    values: Array, returns: Array, direction: int, cost: float, min_pairs: int, minutes: float
) -> Book:
    """Trade the factor.

    :param values: factor at the sampled times, (times, pairs).
    :param returns: return over the holding period that follows, same shape.
    :param direction: 1 to hold what ranks high, -1 what ranks low.
    :param cost: of one side, as a fraction of what is traded.
    :param minutes: length of a holding period.
    """
    weights = direction * rank_weights(values, min_pairs)
    gross = (weights * np.nan_to_num(returns)).sum(axis=1)
    traded = np.abs(np.diff(weights, axis=0, prepend=np.zeros((1, weights.shape[1])))).sum(axis=1)
    net = gross - cost * traded
    deviation = float(net.std(ddof=1)) if len(net) > 1 else 0.0
    sharpe = float(net.mean()) / deviation * math.sqrt(MINUTES_PER_YEAR / minutes) if deviation else math.nan
    turnover = float(traded[1:].mean() / 2) if len(traded) > 1 else math.nan
    return Book(float(gross.mean()), float(net.mean()), sharpe, turnover, len(net))


def monotonicity(
    values: Array, returns: Array, buckets: int, min_pairs: int
) -> tuple[float, tuple[float, ...]]:
    """How steadily the return rises from the lowest bucket of the factor to the highest.

    The rank correlation of bucket number and mean return (less the mean of all pairs at that time), in [-1,
    1], and those means; empty buckets are left out, and fewer than 3 filled ones give NaN.
    """
    means = bucket_means(values, returns, min(buckets, values.shape[1]), min_pairs)
    filled = means[~np.isnan(means)]
    if len(filled) < 3:
        return math.nan, tuple(means.tolist())
    order = np.argsort(np.argsort(filled))
    return float(np.corrcoef(np.arange(len(filled)), order)[0, 1]), tuple(means.tolist())
