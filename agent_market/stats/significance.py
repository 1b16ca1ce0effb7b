"""Significance of correlations and means of dependent series, and false discovery rates."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from agent_market.utils.arrays import Floats

FEWEST = 30
"""Pairs of observations below which nothing is claimed."""


def effective_size(x: Floats, y: Floats, lags: int = 10) -> float:
    """Effective number of independent pairs among n dependent ones (Bartlett 1935; Pyper and Peterman 1998).

        1 / n_eff = 1 / n + (2 / n) sum_j (1 - j / n) r_x(j) r_y(j)      j = 1 .. lags

    :param x: (n,) finite numbers, not all equal; `y` likewise.
    :returns: between 3 and n: no dependence is taken to add information.
    """
    together = autocorrelation(x, lags) * autocorrelation(y, lags)
    return _worth(len(x), together)


def autocorrelation(x: Floats, lags: int) -> Floats:
    """(min(lags, n - 2),) sample autocorrelations of x at 1, 2, ... candles; x is finite and varies."""
    centred = x - x.mean()
    most = min(lags, len(x) - 2)
    products = [float(centred[:-j] @ centred[j:]) for j in range(1, most + 1)]
    return np.array(products) / float(centred @ centred)


def _worth(n: int, dependence: Floats) -> float:
    j = np.arange(1, len(dependence) + 1)
    inverse = (1.0 + 2.0 * float(np.sum((1.0 - j / n) * dependence))) / n
    return min(max(1.0 / inverse, 3.0), float(n)) if inverse > 0 else float(n)


def correlation(x: Floats, y: Floats) -> tuple[float, float, float] | None:
    """Pearson's r, its two-sided p-value, and the effective sample size it was tested with.

    t = r sqrt((n_eff - 2) / (1 - r^2)) against Student's t with n_eff - 2 degrees of freedom.

    :param x: (n,) numbers; rows where either is NaN are left out.
    :returns: None with fewer than 30 pairs, or where one side does not vary.
    """
    both = np.isfinite(x) & np.isfinite(y)
    x, y = x[both], y[both]
    if len(x) < FEWEST or np.ptp(x) == 0.0 or np.ptp(y) == 0.0:
        return None
    r = float(np.clip(np.corrcoef(x, y)[0, 1], -1.0, 1.0))
    size = effective_size(x, y)
    freedom = size - 2.0
    if freedom <= 0.0:
        return None
    t = math.inf if abs(r) == 1.0 else abs(r) * math.sqrt(freedom / (1.0 - r * r))
    return r, float(2.0 * stats.t.sf(t, freedom)), size


def mean_test(values: Floats, lags: int = 10) -> tuple[float, float, float] | None:
    """Student's t of "the mean is zero", its two-sided p-value, and the effective sample size it rests on.

    t = mean / (s / sqrt(n_eff)),  1 / n_eff = (1 + 2 sum_j (1 - j / n) r(j)) / n: values in order of time
    that overlap count as fewer.

    :param values: (n,) finite numbers in order of time.
    :returns: None with fewer than 30 values, or where they do not vary.
    """
    if len(values) < FEWEST or np.ptp(values) == 0.0:
        return None
    size = _worth(len(values), autocorrelation(values, lags))
    t = float(values.mean()) / float(values.std(ddof=1)) * math.sqrt(size)
    return t, float(2.0 * stats.t.sf(abs(t), size - 1.0)), size


def q_values(p_values: Sequence[float]) -> Floats:
    """Adjusted p-values of Benjamini and Hochberg (1995): keeping q <= a bounds the share of false ones by a.

        q_(i) = min over j >= i of  m p_(j) / j      p sorted ascending, m tests

    :returns: (m,) in the order given, at most 1. All tests made must be in, not the promising ones.
    """
    p = np.asarray(p_values, dtype=np.float64)
    m = len(p)
    order = np.argsort(p, kind="stable")
    scaled = p[order] * m / np.arange(1, m + 1)
    adjusted = np.minimum.accumulate(scaled[::-1])[::-1]
    result = np.empty(m)
    result[order] = np.minimum(adjusted, 1.0)
    return result
