# mypy: disallow-untyped-defs=False, check-untyped-defs=False
# Types are numba's to infer.
"""Windows of a few rows: summed lag by lag, so that the inner loop runs over contiguous rows as vectors.

The work grows with the window, and up to about 16 rows it is less than the bookkeeping of two blocks.  Each
window is summed around its newest value, which it holds, so the rounding is as in `sums`; where that value
is absent the row is done alone, around another one.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

NAN = math.nan
LONGEST = 16
LONGEST_JOINT = 12
_CHUNK = 512

MEAN, DEVIATION, ZSCORE, SKEWNESS, KURTOSIS = 0, 1, 2, 3, 4


@njit(cache=True, inline="always", error_model="numpy")
def _finished(kind, newest, anchor, n, s1, s2, s3, s4):
    """The statistic from power sums around the anchor; the caller has checked that there are enough."""
    m = s1 / n
    if kind == 0:
        return anchor + m
    if kind <= 2:
        variance = (s2 - s1 * m) / (n - 1.0)
        deviation = math.sqrt(variance) if variance > 0.0 else 0.0
        return deviation if kind == 1 else (newest - anchor - m) / deviation
    p2 = s2 / n
    m2 = p2 - m * m
    m3 = s3 / n - 3.0 * m * p2 + 2.0 * m * m * m
    if kind == 3:
        value = math.sqrt(n * (n - 1.0)) / (n - 2.0) * m3 / (m2 * math.sqrt(m2))
    else:
        m4 = s4 / n - 4.0 * m * s3 / n + 6.0 * m * m * p2 - 3.0 * m * m * m * m
        value = (n - 1.0) / ((n - 2.0) * (n - 3.0)) * ((n + 1.0) * m4 / (m2 * m2) - 3.0 * (n - 1.0))
    return value if m2 > 0.0 else NAN


@njit(cache=True, error_model="numpy")
def _alone(row, t, window, need, kind):
    """One window whose newest value is absent."""
    anchor = NAN
    n, s1, s2, s3, s4 = 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(max(t - window + 1, 0), t):
        v = row[i]
        if v == v:
            if anchor != anchor:
                anchor = v
            d = v - anchor
            n += 1.0
            s1 += d
            s2 += d * d
            s3 += d * d * d
            s4 += d * d * d * d
    return _finished(kind, NAN, anchor, n, s1, s2, s3, s4) if n >= need else NAN


@njit(cache=True, nogil=True, error_model="numpy")
def moments(x, window, need, kind, out):
    """Mean, deviation, z-score of the newest, skewness or kurtosis, by `kind`."""
    length = x.shape[1]
    sums = np.zeros((5, _CHUNK))
    for p in range(x.shape[0]):
        row = x[p]
        for start in range(0, length, _CHUNK):
            size = min(_CHUNK, length - start)
            now, to = row[start : start + size], out[p, start : start + size]
            sums[:] = 0.0
            for lag in range(min(window, start + size)):
                skip = max(lag - start, 0)
                old, new = row[start + skip - lag : start + size - lag], now[skip:]
                n, s1, s2 = sums[0, skip:], sums[1, skip:], sums[2, skip:]
                s3, s4 = sums[3, skip:], sums[4, skip:]
                if kind == 0:
                    for i in range(size - skip):
                        d = old[i] - new[i]
                        n[i] += 1.0 if d == d else 0.0
                        s1[i] += d if d == d else 0.0
                elif kind <= 2:
                    for i in range(size - skip):
                        d = old[i] - new[i]
                        n[i] += 1.0 if d == d else 0.0
                        d = d if d == d else 0.0
                        s1[i] += d
                        s2[i] += d * d
                else:
                    for i in range(size - skip):
                        d = old[i] - new[i]
                        n[i] += 1.0 if d == d else 0.0
                        d = d if d == d else 0.0
                        s1[i] += d
                        s2[i] += d * d
                        s3[i] += d * d * d
                        s4[i] += d * d * d * d
            n, s1, s2, s3, s4 = sums[0], sums[1], sums[2], sums[3], sums[4]
            if kind == 0:
                for i in range(size):
                    to[i] = now[i] + s1[i] / n[i] if n[i] >= need else NAN
            elif kind == 1:
                for i in range(size):
                    variance = (s2[i] - s1[i] * s1[i] / n[i]) / (n[i] - 1.0)
                    deviation = math.sqrt(variance) if variance > 0.0 else 0.0
                    to[i] = deviation if n[i] >= need else NAN
            elif kind == 2:
                for i in range(size):
                    middle = s1[i] / n[i]
                    variance = (s2[i] - s1[i] * middle) / (n[i] - 1.0)
                    to[i] = -middle / math.sqrt(variance) if n[i] >= need and variance > 0.0 else NAN
            elif kind == 3:
                for i in range(size):
                    value = _finished(3, now[i], now[i], n[i], s1[i], s2[i], s3[i], s4[i])
                    to[i] = value if n[i] >= need else NAN
            else:
                for i in range(size):
                    value = _finished(4, now[i], now[i], n[i], s1[i], s2[i], s3[i], s4[i])
                    to[i] = value if n[i] >= need else NAN
            if kind != 2:
                for i in range(size):
                    if now[i] != now[i]:
                        to[i] = _alone(row, start + i, window, need, kind)


@njit(cache=True, inline="always", error_model="numpy")
def _related(mode, n, sx, sy, sxx, syy, sxy):
    """Correlation (mode 0), covariance (1) or slope of x on y (2)."""
    xy = sxy - sx * sy / n
    if mode == 1:
        return xy / (n - 1.0)
    xx, yy = sxx - sx * sx / n, syy - sy * sy / n
    if mode == 2:
        return xy / yy if yy > 0.0 else NAN
    return xy / (math.sqrt(xx) * math.sqrt(yy)) if xx > 0.0 and yy > 0.0 else NAN


@njit(cache=True, error_model="numpy")
def _related_alone(x, y, t, window, need, mode):
    """One window whose newest row has not both values."""
    ax, ay = NAN, NAN
    n, sx, sy, sxx, syy, sxy = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(max(t - window + 1, 0), t):
        if x[i] == x[i] and y[i] == y[i]:
            if ax != ax:
                ax, ay = x[i], y[i]
            dx, dy = x[i] - ax, y[i] - ay
            n += 1.0
            sx += dx
            sy += dy
            sxx += dx * dx
            syy += dy * dy
            sxy += dx * dy
    return _related(mode, n, sx, sy, sxx, syy, sxy) if n >= need else NAN


@njit(cache=True, nogil=True, error_model="numpy")
def joint(x, y, window, need, mode, out):
    """Correlation (mode 0), covariance (1) or slope of x on y (2)."""
    length = x.shape[1]
    sums = np.zeros((6, _CHUNK))
    for p in range(x.shape[0]):
        a, b = x[p], y[p]
        for start in range(0, length, _CHUNK):
            size = min(_CHUNK, length - start)
            now_a, now_b = a[start : start + size], b[start : start + size]
            to = out[p, start : start + size]
            sums[:] = 0.0
            for lag in range(min(window, start + size)):
                skip = max(lag - start, 0)
                old_a, new_a = a[start + skip - lag : start + size - lag], now_a[skip:]
                old_b, new_b = b[start + skip - lag : start + size - lag], now_b[skip:]
                n, sx, sy = sums[0, skip:], sums[1, skip:], sums[2, skip:]
                sxx, syy, sxy = sums[3, skip:], sums[4, skip:], sums[5, skip:]
                for i in range(size - skip):
                    dx, dy = old_a[i] - new_a[i], old_b[i] - new_b[i]
                    both = dx + dy
                    n[i] += 1.0 if both == both else 0.0
                    dx = dx if both == both else 0.0
                    dy = dy if both == both else 0.0
                    sx[i] += dx
                    sy[i] += dy
                    sxx[i] += dx * dx
                    syy[i] += dy * dy
                    sxy[i] += dx * dy
            n, sx, sy, sxx, syy, sxy = sums[0], sums[1], sums[2], sums[3], sums[4], sums[5]
            if mode == 0:
                for i in range(size):
                    value = _related(0, n[i], sx[i], sy[i], sxx[i], syy[i], sxy[i])
                    to[i] = value if n[i] >= need else NAN
            else:
                for i in range(size):
                    value = _related(mode, n[i], sx[i], sy[i], sxx[i], syy[i], sxy[i])
                    to[i] = value if n[i] >= need else NAN
            for i in range(size):
                if now_a[i] != now_a[i] or now_b[i] != now_b[i]:
                    to[i] = _related_alone(a, b, start + i, window, need, mode)


@njit(cache=True, nogil=True, error_model="numpy")
def age_of_largest(x, window, need, side, out):
    """Age of the largest (side 1) or smallest (side -1) value, 0 newest to 1 oldest; of equals the newest."""
    length = x.shape[1]
    best, age, n = np.empty(_CHUNK), np.empty(_CHUNK), np.empty(_CHUNK)
    for p in range(x.shape[0]):
        row = x[p]
        for start in range(0, length, _CHUNK):
            size = min(_CHUNK, length - start)
            best[:] = -np.inf
            age[:] = 0.0
            n[:] = 0.0
            for lag in range(min(window, start + size)):
                skip = max(lag - start, 0)
                old = row[start + skip - lag : start + size - lag]
                top, at, count = best[skip:], age[skip:], n[skip:]
                back = float(lag)
                for i in range(size - skip):
                    v = side * old[i]
                    count[i] += 1.0 if v == v else 0.0
                    at[i] = back if v > top[i] else at[i]
                    top[i] = v if v > top[i] else top[i]
            to = out[p, start : start + size]
            for i in range(size):
                to[i] = age[i] / (window - 1.0) if n[i] >= need else NAN
