"""Two series over one moving window, by the two blocks of `sums`; rows without both values are left out."""

# mypy: disallow-untyped-defs=False, check-untyped-defs=False
# Types are numba's to infer.
from __future__ import annotations

import math

import numpy as np
from numba import njit

from agent_market.factors.kernels.sums import inverses, whole

NAN = math.nan

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
    r = xy / (math.sqrt(xx) * math.sqrt(yy))
    return r


@njit(cache=True, error_model="numpy")
def _accumulate(x, y, anchor_x, anchor_y, head):
    """Sums of x, y, x^2, y^2 and xy around the anchors, from the start of a whole block, into rows 1 to 5."""
    h1, h2, h3, h4, h5 = head[1], head[2], head[3], head[4], head[5]
    sx, sy, sxx, syy, sxy = 0.0, 0.0, 0.0, 0.0, 0.0
    for j in range(len(x)):
        dx, dy = x[j] - anchor_x, y[j] - anchor_y
        sx += dx
        sy += dy
        sxx += dx * dx
        syy += dy * dy
        sxy += dx * dy
        h1[j] = sx
        h2[j] = sy
        h3[j] = sxx
        h4[j] = syy
        h5[j] = sxy


@njit(cache=True, error_model="numpy")
def _accumulate_back(x, y, following):
    """The same around the newest values, from the end."""
    t1, t2, t3, t4, t5 = following[1], following[2], following[3], following[4], following[5]
    new_x, new_y = x[len(x) - 1], y[len(y) - 1]
    sx, sy, sxx, syy, sxy = 0.0, 0.0, 0.0, 0.0, 0.0
    for j in range(len(x) - 1, -1, -1):
        dx, dy = x[j] - new_x, y[j] - new_y
        sx += dx
        sy += dy
        sxx += dx * dx
        syy += dy * dy
        sxy += dx * dy
        t1[j] = sx
        t2[j] = sy
        t3[j] = sxx
        t4[j] = syy
        t5[j] = sxy


@njit(cache=True, nogil=True, error_model="numpy")
def joint(x, y, window, need, mode, out):
    """Correlation (mode 0), covariance (1) or slope of x on y (2)."""
    inverse = inverses(window)
    each, each_less = inverse[window], inverse[window - 1]
    head, following = np.zeros((6, window + 1)), np.zeros((6, window + 1))
    tail = np.zeros((6, window + 1))
    length = x.shape[1]
    for p in range(x.shape[0]):
        a, b, to = x[p], y[p], out[p]
        tail[:] = 0.0
        anchor_x, anchor_y, last, clean, counted = 0.0, 0.0, -1, False, True
        for start in range(0, length, window):
            stop = min(start + window, length)
            clean_before = clean
            clean = stop - start == window and whole(a[start:stop]) and whole(b[start:stop])
            if clean and clean_before:
                x_block, y_block, heads_to = a[start:stop], b[start:stop], to[start:stop]
                _accumulate(x_block, y_block, anchor_x, anchor_y, head)
                _accumulate_back(x_block, y_block, following)
                tails_x, tails_y, tails_xx = tail[1, 1:], tail[2, 1:], tail[3, 1:]
                tails_yy, tails_xy = tail[4, 1:], tail[5, 1:]
                if mode == 1:
                    for j in range(window - 1):
                        x1, y1 = head[1, j] + tails_x[j], head[2, j] + tails_y[j]
                        heads_to[j] = (head[5, j] + tails_xy[j] - x1 * y1 * each) * each_less
                else:
                    for j in range(window - 1):
                        x1, y1 = head[1, j] + tails_x[j], head[2, j] + tails_y[j]
                        xx = head[3, j] + tails_xx[j] - x1 * x1 * each if mode == 0 else 1.0
                        yy = head[4, j] + tails_yy[j] - y1 * y1 * each
                        xy = head[5, j] + tails_xy[j] - x1 * y1 * each
                        root = math.sqrt(xx) * math.sqrt(yy) if mode == 0 else yy
                        heads_to[j] = xy / root if xx > 0.0 and yy > 0.0 else NAN
                t = following[:, 0]
                to[stop - 1] = _joint(mode, float(window), t[1], t[2], t[3], t[4], t[5], need, inverse)
                tail, following = following, tail
                anchor_x, anchor_y, last, counted = a[stop - 1], b[stop - 1], window - 1, False
                continue
            if not counted:
                for k in range(window):
                    tail[0, k] = window - k
                counted = True
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
                        t = tail[:, j + 1]
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
                t = tail[:, k]
                t[0] = n
                t[1] = sx
                t[2] = sy
                t[3] = sxx
                t[4] = syy
                t[5] = sxy
            to[stop - 1] = _joint(mode, n, sx, sy, sxx, syy, sxy, need, inverse)
