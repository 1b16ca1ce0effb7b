"""Value at risk of the book: what a day loses at most, with the confidence asked for.

Historical: the empirical quantile of the book's candle returns at today's weights.  EWMA: the normal
quantile times an exponentially weighted deviation with mean 0 (RiskMetrics Technical Document, J.P. Morgan
1996).  Both are scaled to a day by the square root of the candles in it, which holds for returns without
autocorrelation.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

from agent_market.config import VarLimits
from agent_market.utils.arrays import Floats

STEPS = 24


def historical_var(returns: Floats, confidence: float) -> float:
    """Loss of one candle, >= 0, that is not exceeded in `confidence` of the (T,) returns; T >= 1, finite."""
    return max(0.0, -float(np.quantile(returns, 1.0 - confidence)))


def ewma_deviation(returns: Floats, decay: float) -> float:
    """Square root of sum(w_i r_i^2), newest last, w_i proportional to decay^age and summing to 1."""
    weights = decay ** np.arange(len(returns) - 1, -1, -1, dtype=float)
    return float(np.sqrt(np.average(np.square(returns), weights=weights)))


def ewma_var(returns: Floats, confidence: float, decay: float) -> float:
    """Loss of one candle, >= 0, from the EWMA deviation and the normal quantile."""
    return float(norm.ppf(confidence)) * ewma_deviation(returns, decay)


def day_var(returns: Floats, limits: VarLimits, candles_per_day: float) -> float:
    """The larger of both over one day, in the unit of `returns` (a share of equity)."""
    candle = max(
        historical_var(returns, limits.confidence), ewma_var(returns, limits.confidence, limits.decay)
    )
    return candle * float(np.sqrt(candles_per_day))


def var_room(book: Floats, added: Floats, limits: VarLimits, candles_per_day: float) -> float:
    """The largest share in [0, 1] of `added` with which the book's VaR stays within its limit.

    A hedge is let through where it brings VaR under the limit. Found by bisection, from below; where the book
    alone is over the limit and the whole order does not mend it, 0.
    """
    if day_var(book + added, limits, candles_per_day) <= limits.limit:
        return 1.0
    if day_var(book, limits, candles_per_day) > limits.limit:
        return 0.0
    low, high = 0.0, 1.0
    for _ in range(STEPS):
        middle = (low + high) / 2
        if day_var(book + middle * added, limits, candles_per_day) <= limits.limit:
            low = middle
        else:
            high = middle
    return low
