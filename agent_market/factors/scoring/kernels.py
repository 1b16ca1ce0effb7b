# mypy: disallow-untyped-defs=False, check-untyped-defs=False
# Types are numba's to infer.
"""Cross-sectional statistics, one number a time.  Arrays are (times, pairs), so that a time is contiguous."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

NAN = math.nan


@njit(cache=True, inline="always", error_model="numpy")
def _pearson(a, b, n):
    """Correlation of the first n values; NaN where either is constant."""
    ma, mb = 0.0, 0.0
    for i in range(n):
        ma += a[i]
        mb += b[i]
    ma /= n
    mb /= n
    saa, sbb, sab, la, lb = 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(n):
        da, db = a[i] - ma, b[i] - mb
        saa += da * da
        sbb += db * db
        sab += da * db
        la += abs(a[i])
        lb += abs(b[i])
    # Spreads within rounding of the level are none.
    if saa <= (4e-16 * la) ** 2 or sbb <= (4e-16 * lb) ** 2:
        return NAN
    return sab / (math.sqrt(saa) * math.sqrt(sbb))


@njit(cache=True, inline="always", error_model="numpy")
def _ranks(values, n, out):
    """Average ranks of the first n values (1 to n), by comparing each with each."""
    for i in range(n):
        twice = 1
        for j in range(n):
            twice += int(values[j] < values[i]) + int(values[j] <= values[i])
        out[i] = 0.5 * twice


@njit(cache=True, nogil=True, error_model="numpy")
def correlations(x, y, least):
    """Pearson and rank correlation at each time over the pairs that have both; NaN below `least` of them."""
    times, pairs = x.shape
    plain, ranked = np.full(times, NAN), np.full(times, NAN)
    a, b = np.empty(pairs), np.empty(pairs)
    ra, rb = np.empty(pairs), np.empty(pairs)
    for t in range(times):
        n = 0
        for p in range(pairs):
            if x[t, p] == x[t, p] and y[t, p] == y[t, p]:
                a[n] = x[t, p]
                b[n] = y[t, p]
                n += 1
        if n < least:
            continue
        plain[t] = _pearson(a, b, n)
        _ranks(a, n, ra)
        _ranks(b, n, rb)
        ranked[t] = _pearson(ra, rb, n)
    return plain, ranked


@njit(cache=True, nogil=True, error_model="numpy")
def rank_weights(x, least):
    """Weights of the sorted book: ranks less their mean, absolute sum 1; 0 for what is absent or equal."""
    times, pairs = x.shape
    weights = np.zeros((times, pairs))
    values, ranks = np.empty(pairs), np.empty(pairs)
    for t in range(times):
        n = 0
        for p in range(pairs):
            if x[t, p] == x[t, p]:
                values[n] = x[t, p]
                n += 1
        if n < least:
            continue
        _ranks(values, n, ranks)
        total = 0.0
        for i in range(n):
            total += abs(ranks[i] - 0.5 * (n + 1))
        if total == 0.0:
            continue
        i = 0
        for p in range(pairs):
            if x[t, p] == x[t, p]:
                weights[t, p] = (ranks[i] - 0.5 * (n + 1)) / total
                i += 1
    return weights


@njit(cache=True, nogil=True, error_model="numpy")
def standard_scores(x, least):
    """(x - mean) / deviation over the pairs at each time; 0 where absent or constant, so that sums go on."""
    times, pairs = x.shape
    out = np.zeros((times, pairs))
    for t in range(times):
        n, mean, level = 0, 0.0, 0.0
        for p in range(pairs):
            if x[t, p] == x[t, p]:
                n += 1
                mean += x[t, p]
                level += abs(x[t, p])
        if n < least:
            continue
        mean /= n
        square = 0.0
        for p in range(pairs):
            if x[t, p] == x[t, p]:
                square += (x[t, p] - mean) ** 2
        if square <= (4e-16 * level) ** 2:
            continue
        scale = 1.0 / math.sqrt(square / n)
        for p in range(pairs):
            if x[t, p] == x[t, p]:
                out[t, p] = (x[t, p] - mean) * scale
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def bucket_means(x, y, buckets, least):
    """Mean over all times of y in each bucket of x's ranks; ties fall where their mean rank does."""
    times, pairs = x.shape
    total, count = np.zeros(buckets), np.zeros(buckets)
    values, returns, ranks = np.empty(pairs), np.empty(pairs), np.empty(pairs)
    for t in range(times):
        n, mean = 0, 0.0
        for p in range(pairs):
            if x[t, p] == x[t, p] and y[t, p] == y[t, p]:
                values[n] = x[t, p]
                returns[n] = y[t, p]
                mean += y[t, p]
                n += 1
        if n < least:
            continue
        mean /= n
        _ranks(values, n, ranks)
        for i in range(n):
            bucket = min(int((ranks[i] - 0.5) / n * buckets), buckets - 1)
            total[bucket] += returns[i] - mean
            count[bucket] += 1.0
    return total / count
