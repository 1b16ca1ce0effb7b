"""Two series over one moving window, by the two blocks of `sums`; rows without both values are left out."""

# mypy: disallow-untyped-defs=False, check-untyped-defs=False
# Types are numba's to infer.
from __future__ import annotations

import math

import numpy as np
from numba import njit

from agent_market.factors.kernels.sums import inverses

NAN = math.nan

_SMALL, _LARGE = 1e-280, 1e280  # beyond these the product of two sums may under- or overflow
CORRELATION, COVARIANCE, SLOPE = 0, 1, 2


@njit(cache=True, inline="always", error_model="numpy")
def _joint(mode, n, sx, sy, sxx, syy, sxy, need, inverse):
    if n < need or n < 2.0:
        return NAN
    each = inverse[int(n)]
    xy = sxy - sx * sy * each
    if mode == 1:
        return xy * inverse[int(n) - 1]
    yy = syy - sy * sy * each
    if mode == 2:
        return xy / yy if yy > 0.0 else NAN
    xx = sxx - sx * sx * each
    if xx <= 0.0 or yy <= 0.0:
        return NAN
    product = xx * yy
    root = math.sqrt(product) if _SMALL < product < _LARGE else math.sqrt(xx) * math.sqrt(yy)
    r = xy / root
    return min(max(r, -1.0), 1.0)


@njit(cache=True, nogil=True, error_model="numpy")
def joint(x, y, window, need, mode, out):
    """Correlation (mode 0), covariance (1) or slope of x on y (2)."""
    inverse = inverses(window)
    tail = np.zeros((window + 1, 6))
    length = x.shape[1]
    for p in range(x.shape[0]):
        a, b, to = x[p], y[p], out[p]
        tail[:] = 0.0
        anchor_x, anchor_y, last = 0.0, 0.0, -1
        for start in range(0, length, window):
            stop = min(start + window, length)
            heads = min(window - 1, stop - start)
            for part in range(2):
                base_x, base_y = anchor_x, anchor_y
                low, high = 0, min(max(last, 0), heads)
                if part == 1:
                    low, high = max(last, 0), heads
                    for i in range(start, stop):
                        if a[i] == a[i] and b[i] == b[i]:
                            base_x, base_y = a[i], b[i]
                            break
                if low >= high:
                    continue
                n, sx, sy, sxx, syy, sxy = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
                for j in range(high):
                    dx, dy = a[start + j] - base_x, b[start + j] - base_y
                    if dx == dx and dy == dy:
                        n += 1.0
                        sx += dx
                        sy += dy
                        sxx += dx * dx
                        syy += dy * dy
                        sxy += dx * dy
                    if j < low:
                        continue
                    if part == 0:
                        t = tail[j + 1]
                        to[start + j] = _joint(
                            mode,
                            n + t[0],
                            sx + t[1],
                            sy + t[2],
                            sxx + t[3],
                            syy + t[4],
                            sxy + t[5],
                            need,
                            inverse,
                        )
                    else:
                        to[start + j] = _joint(mode, n, sx, sy, sxx, syy, sxy, need, inverse)
            if stop - start < window:
                break
            last = -1
            for i in range(stop - 1, start - 1, -1):
                if a[i] == a[i] and b[i] == b[i]:
                    last = i - start
                    anchor_x, anchor_y = a[i], b[i]
                    break
            n, sx, sy, sxx, syy, sxy = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
            for k in range(window - 1, -1, -1):
                dx, dy = a[start + k] - anchor_x, b[start + k] - anchor_y
                if dx == dx and dy == dy:
                    n += 1.0
                    sx += dx
                    sy += dy
                    sxx += dx * dx
                    syy += dy * dy
                    sxy += dx * dy
                t = tail[k]
                t[0] = n
                t[1] = sx
                t[2] = sy
                t[3] = sxx
                t[4] = syy
                t[5] = sxy
            to[stop - 1] = _joint(mode, n, sx, sy, sxx, syy, sxy, need, inverse)
