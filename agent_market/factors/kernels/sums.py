"""Sums over a moving window that neither drift nor cancel.

The usual way (add the newest, take off the oldest) keeps the rounding error of every value that has ever
been in the window: after one spike of 1e14 a mean stays wrong for good, and a deviation of 1e-3 around 1e5
drowns. Here nothing is ever taken off. Time is cut into blocks of one window's length (van Herk 1992, Gil &
Werman 1993); a window that ends in a block is a tail of the block before it, whose sums were made from its
end backwards, plus a head of its own block, summed forwards. Each value is added twice, so the cost is the
same, and a result depends on nothing outside its window.

Sums are of distances to an *anchor*, a value in that very window.  Their square sum is then at most n + 1
times the square sum around the mean, so the variance has a relative error of about n eps, whatever the
level. A constant window gives exactly 0.

All kernels take and fill arrays (pairs, times); `need` is the fewest values that must be present.
"""

# mypy: disallow-untyped-defs=False, check-untyped-defs=False
# Types are numba's to infer.
from __future__ import annotations

import math

import numpy as np
from numba import njit

NAN = math.nan


@njit(cache=True, inline="always", error_model="numpy")
def first_present(x, start, stop):
    """The first value present in x[start:stop], or 0 where there is none (it is then never used)."""
    for i in range(start, stop):
        if x[i] == x[i]:
            return x[i]
    return 0.0


@njit(cache=True, inline="always", error_model="numpy")
def last_present(x, start, stop):
    """Position in the block of its last value present, or -1."""
    for i in range(stop - 1, start - 1, -1):
        if x[i] == x[i]:
            return i - start
    return -1


@njit(cache=True, inline="always", error_model="numpy")
def inverses(window):
    """1 / n for n = 0 to window + 1: a look-up is several times faster than a division."""
    out = np.empty(window + 2)
    out[0] = np.inf
    for n in range(1, window + 2):
        out[n] = 1.0 / n
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def mean(x, window, need, scale, out):
    """Mean of the window times `scale` (1, or the window for a sum)."""
    inverse = inverses(window)
    tail_sum = np.zeros(window + 1)
    tail_count = np.zeros(window + 1)
    length = x.shape[1]
    for p in range(x.shape[0]):
        row, to = x[p], out[p]
        tail_sum[:] = 0.0
        tail_count[:] = 0.0
        anchor, last = 0.0, -1
        for start in range(0, length, window):
            stop = min(start + window, length)
            heads = min(window - 1, stop - start)
            total, count = 0.0, 0.0
            for j in range(min(max(last, 0), heads)):
                v = row[start + j]
                if v == v:
                    total += v - anchor
                    count += 1.0
                n = count + tail_count[j + 1]
                if n >= need:
                    to[start + j] = scale * (anchor + (total + tail_sum[j + 1]) * inverse[int(n)])
                else:
                    to[start + j] = NAN
            if last < heads:  # windows from here on hold nothing of the block before
                own = first_present(row, start, stop)
                total, count = 0.0, 0.0
                for j in range(heads):
                    v = row[start + j]
                    if v == v:
                        total += v - own
                        count += 1.0
                    if j >= last:
                        to[start + j] = scale * (own + total / count) if count >= need else NAN
            if stop - start < window:
                break
            last = last_present(row, start, stop)
            anchor = row[start + last] if last >= 0 else 0.0
            total, count = 0.0, 0.0
            for k in range(window - 1, -1, -1):
                v = row[start + k]
                if v == v:
                    total += v - anchor
                    count += 1.0
                tail_sum[k] = total
                tail_count[k] = count
            to[stop - 1] = scale * (anchor + total / count) if count >= need else NAN


@njit(cache=True, inline="always", error_model="numpy")
def _spread(mode, newest, anchor, n, s1, s2, need, inverse):
    """Deviation (mode 0) or z-score of the newest value (mode 1), from sums around the anchor."""
    if n < need or n < 2.0:
        return NAN
    middle = s1 * inverse[int(n)]
    variance = (s2 - s1 * middle) * inverse[int(n) - 1]
    deviation = math.sqrt(variance) if variance > 0.0 else 0.0
    if mode == 0:
        return deviation
    return (newest - anchor - middle) / deviation if deviation > 0.0 else NAN


@njit(cache=True, nogil=True, error_model="numpy")
def spread(x, window, need, mode, out):
    """Sample deviation (mode 0) or z-score (mode 1)."""
    inverse = inverses(window)
    tail_1 = np.zeros(window + 1)
    tail_2 = np.zeros(window + 1)
    tail_n = np.zeros(window + 1)
    length = x.shape[1]
    for p in range(x.shape[0]):
        row, to = x[p], out[p]
        tail_1[:] = 0.0
        tail_2[:] = 0.0
        tail_n[:] = 0.0
        anchor, last = 0.0, -1
        for start in range(0, length, window):
            stop = min(start + window, length)
            heads = min(window - 1, stop - start)
            s1, s2, n = 0.0, 0.0, 0.0
            for j in range(min(max(last, 0), heads)):
                v = row[start + j]
                if v == v:
                    d = v - anchor
                    s1 += d
                    s2 += d * d
                    n += 1.0
                to[start + j] = _spread(
                    mode, v, anchor, n + tail_n[j + 1], s1 + tail_1[j + 1], s2 + tail_2[j + 1], need, inverse
                )
            if last < heads:
                own = first_present(row, start, stop)
                s1, s2, n = 0.0, 0.0, 0.0
                for j in range(heads):
                    v = row[start + j]
                    if v == v:
                        d = v - own
                        s1 += d
                        s2 += d * d
                        n += 1.0
                    if j >= last:
                        to[start + j] = _spread(mode, v, own, n, s1, s2, need, inverse)
            if stop - start < window:
                break
            last = last_present(row, start, stop)
            anchor = row[start + last] if last >= 0 else 0.0
            s1, s2, n = 0.0, 0.0, 0.0
            for k in range(window - 1, -1, -1):
                v = row[start + k]
                if v == v:
                    d = v - anchor
                    s1 += d
                    s2 += d * d
                    n += 1.0
                tail_1[k] = s1
                tail_2[k] = s2
                tail_n[k] = n
            to[stop - 1] = _spread(mode, row[stop - 1], anchor, n, s1, s2, need, inverse)


@njit(cache=True, inline="always", error_model="numpy")
def _shape(mode, n, s1, s2, s3, s4, need, inverse):
    """Sample skewness (mode 0) or excess kurtosis (mode 1) from power sums around the anchor."""
    if n < need or n < 3.0 + mode:
        return NAN
    each = inverse[int(n)]
    m = s1 * each
    m2 = s2 * each - m * m
    if m2 <= 0.0:
        return NAN
    if mode == 0:
        m3 = s3 * each - 3.0 * m * s2 * each + 2.0 * m * m * m
        return math.sqrt(n * (n - 1.0)) * inverse[int(n) - 2] * m3 / (m2 * math.sqrt(m2))
    m4 = s4 * each - 4.0 * m * s3 * each + 6.0 * m * m * s2 * each - 3.0 * m * m * m * m
    bias = (n - 1.0) * inverse[int(n) - 2] * inverse[int(n) - 3]
    return bias * ((n + 1.0) * m4 / (m2 * m2) - 3.0 * (n - 1.0))


@njit(cache=True, nogil=True, error_model="numpy")
def shape(x, window, need, mode, out):
    """Sample skewness (mode 0) or excess kurtosis (mode 1)."""
    inverse = inverses(window)
    tail = np.zeros((window + 1, 5))
    length = x.shape[1]
    for p in range(x.shape[0]):
        row, to = x[p], out[p]
        tail[:] = 0.0
        anchor, last = 0.0, -1
        for start in range(0, length, window):
            stop = min(start + window, length)
            heads = min(window - 1, stop - start)
            n, s1, s2, s3, s4 = 0.0, 0.0, 0.0, 0.0, 0.0
            for j in range(min(max(last, 0), heads)):
                v = row[start + j]
                if v == v:
                    d = v - anchor
                    n += 1.0
                    s1 += d
                    s2 += d * d
                    s3 += d * d * d
                    s4 += d * d * d * d
                t = tail[j + 1]
                to[start + j] = _shape(
                    mode, n + t[0], s1 + t[1], s2 + t[2], s3 + t[3], s4 + t[4], need, inverse
                )
            if last < heads:
                own = first_present(row, start, stop)
                n, s1, s2, s3, s4 = 0.0, 0.0, 0.0, 0.0, 0.0
                for j in range(heads):
                    v = row[start + j]
                    if v == v:
                        d = v - own
                        n += 1.0
                        s1 += d
                        s2 += d * d
                        s3 += d * d * d
                        s4 += d * d * d * d
                    if j >= last:
                        to[start + j] = _shape(mode, n, s1, s2, s3, s4, need, inverse)
            if stop - start < window:
                break
            last = last_present(row, start, stop)
            anchor = row[start + last] if last >= 0 else 0.0
            n, s1, s2, s3, s4 = 0.0, 0.0, 0.0, 0.0, 0.0
            for k in range(window - 1, -1, -1):
                v = row[start + k]
                if v == v:
                    d = v - anchor
                    n += 1.0
                    s1 += d
                    s2 += d * d
                    s3 += d * d * d
                    s4 += d * d * d * d
                t = tail[k]
                t[0] = n
                t[1] = s1
                t[2] = s2
                t[3] = s3
                t[4] = s4
            to[stop - 1] = _shape(mode, n, s1, s2, s3, s4, need, inverse)
