"""How unusual the joint move of all pairs is, given how they moved together lately."""

from __future__ import annotations

import numpy as np
import pandas as pd

from agent_market.features.rolling import lagged, rolling_percentile, rolling_sum
from agent_market.utils.arrays import Floats

STALE_VOLATILITY = 1e-6
"""A pair whose volatility per candle is below this in the window (no trades, a peg) does not count."""

_CHUNK_CELLS = 4_000_000
"""Products of pairs held at once: bounds memory when there are many pairs."""


def turbulence(returns: pd.DataFrame, window: int) -> pd.DataFrame:
    """Financial turbulence of a cross-section of pairs at each time.

        turbulence_t = (y_t - mu)' S^-1 (y_t - mu) / n

    the squared Mahalanobis distance of the n pairs' returns y_t from their mean mu under their covariance
    S, per pair: about 1 on average in an ordinary market of up to some twenty pairs (shrinkage makes it
    less with more, 0.6 at 60 pairs and a window of 240: compare percentiles, not levels). mu and S come
    from the `window` rows *before* t: the shock must not widen the measure that it is held against.

    Source: Kritzman & Li 2010, "Skulls, Financial Turbulence, and Risk Management", with two additions:
    the division by n (Kinlaw & Turkington 2014), and a shrinkage of the correlations towards zero with
    intensity n / (n + window), which keeps S invertible with many or identical pairs.

    A pair counts in row t if its return is known there and in the whole window, and it was not stale.

    :param returns: (T, n) returns of one candle, log or simple, one column a pair, in time order; NaN
        where unknown.
    :param window: rows that mu and S are estimated from, >= 2.
    :return: (T, 2) frame with the index of `returns`: `turbulence` >= 0, NaN where fewer than two pairs
        count; `turbulence_percentile`, 0..1, its rank among the known ones of the last `window` rows
        (itself included), NaN until half of them are known. Row t depends on the last 2 * window rows.
    """
    values = returns.to_numpy(dtype=np.float64, na_value=np.nan).T
    values = np.where(np.isfinite(values), values, np.nan)
    pairs, rows = values.shape
    distance = np.full(rows, np.nan)
    step = max(window, _CHUNK_CELLS // max(pairs, 1) ** 2)
    for start in range(0, rows if pairs > 1 else 0, step):
        first = max(start - window, 0)
        distance[start : start + step] = _distances(values[:, first : start + step], window)[start - first :]
    percentile = rolling_percentile(distance, window, min_count=max(window // 2, 1))
    return pd.DataFrame({"turbulence": distance, "turbulence_percentile": percentile}, index=returns.index)


def _distances(values: Floats, window: int) -> Floats:
    """Distances for values (n, T); NaN in the first `window` columns."""
    mean, covariance = _trailing_moments(values, window)
    deviation = np.sqrt(np.maximum(np.einsum("iit->it", covariance), 0.0))
    counts = np.isfinite(values) & (deviation > STALE_VOLATILITY)
    result = np.full(values.shape[1], np.nan)
    changes = np.flatnonzero((counts[:, 1:] != counts[:, :-1]).any(axis=0)) + 1
    for pattern in np.unique(counts[:, np.concatenate([[0], changes])], axis=1).T:
        n = int(pattern.sum())
        if n < 2:
            continue
        at = np.flatnonzero((counts == pattern[:, None]).all(axis=0))
        scale = deviation[pattern][:, at].T
        score = (values - mean)[pattern][:, at].T / scale
        correlation = covariance[np.ix_(pattern, pattern, at)].transpose(2, 0, 1)
        correlation = correlation / (scale[:, :, None] * scale[:, None, :])
        shrinkage = n / (n + window)
        correlation = (1.0 - shrinkage) * correlation + shrinkage * np.eye(n)
        solved = np.linalg.solve(correlation, score[:, :, None])[:, :, 0]
        result[at] = np.einsum("tn,tn->t", score, solved) / n
    return result


def _trailing_moments(values: Floats, window: int) -> tuple[Floats, Floats]:
    """Mean (n, T) and sample covariance (n, n, T) over the `window` columns before each one."""
    n, rows = values.shape
    i, j = np.triu_indices(n)
    mean = lagged(rolling_sum(values, window), 1) / window
    product = lagged(rolling_sum(values[i] * values[j], window), 1) / window
    covariance = np.empty((n, n, rows))
    covariance[i, j] = covariance[j, i] = (product - mean[i] * mean[j]) * (window / (window - 1))
    return mean, covariance
