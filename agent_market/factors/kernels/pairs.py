"""Two series over a moving window, merged from spans as in `sums`. Rows without both values are left out."""

# mypy: disallow-untyped-defs=False, check-untyped-defs=False
# Types are numba's to infer.
from __future__ import annotations

import math

import numpy as np
from numba import njit

from agent_market.factors.kernels.sums import (
    gaps,
    merge_means,
    merge_products,
    merge_squares,
    next_stop,
    tile_rows,
    weights,
    whole,
)

NAN = math.nan

CORRELATION, COVARIANCE, SLOPE = 0, 1, 2

# Rows of a state: means of x and y as distances to the newest row with both; the sums of products xy, yy and
# xx around the means; x and y of that newest row; how many rows have both.
_ROWS = 8


@njit(cache=True, error_model="numpy")
def _merge(x, y, old, new, to, gap, n_old, n_new, shift, mode):
    size = len(x)
    _, c, _, _, old_share, _ = weights(float(n_old), float(n_new))
    gaps(x, new[0], shift, old[0], gap[0])
    gaps(y, new[1], shift, old[1], gap[1])
    dx, dy = gap[0, shift:size], gap[1, shift:size]
    merge_means(new[0, shift:size], dx, to[0, shift:size], old_share)
    merge_means(new[1, shift:size], dy, to[1, shift:size], old_share)
    merge_products(dx, dy, old[2, : size - shift], new[2, shift:size], to[2, shift:size], c)
    if mode != 1:
        merge_squares(dy, old[3, : size - shift], new[3, shift:size], to[3, shift:size], c)
    if mode == 0:
        merge_squares(dx, old[4, : size - shift], new[4, shift:size], to[4, shift:size], c)


@njit(cache=True, error_model="numpy")
def _merge_counted(old, new, to, shift, size):
    for i in range(size):
        j = i - shift
        a, b = old[7, j] if j >= 0 else 0.0, new[7, i]
        if a == 0.0:
            to[:, i] = new[:, i]
            continue
        if b == 0.0:
            to[:, i] = old[:, j]
            continue
        _, c, _, _, old_share, _ = weights(a, b)
        dx = (new[5, i] - old[5, j]) + (new[0, i] - old[0, j])
        dy = (new[6, i] - old[6, j]) + (new[1, i] - old[1, j])
        to[0, i] = new[0, i] - dx * old_share
        to[1, i] = new[1, i] - dy * old_share
        to[2, i] = old[2, j] + new[2, i] + dx * (dy * c)
        to[3, i] = old[3, j] + new[3, i] + dy * (dy * c)
        to[4, i] = old[4, j] + new[4, i] + dx * (dx * c)
        to[5, i], to[6, i], to[7, i] = new[5, i], new[6, i], a + b


@njit(cache=True, error_model="numpy")
def _windows(x, y, window, mode, clean, states, gap):
    """As `sums._windows`, for two series."""
    size = len(x)
    spans, twice, found, other = states[0], states[1], states[2], states[3]
    spans[:, :size] = 0.0
    if not clean:
        for i in range(size):
            if x[i] == x[i] and y[i] == y[i]:
                spans[5, i], spans[6, i], spans[7, i] = x[i], y[i], 1.0
    length, have, rest = 1, 0, window
    while True:
        if rest & 1:
            if have == 0:
                found[:, :size] = spans[:, :size]
            else:
                if clean:
                    _merge(x, y, spans, found, other, gap, length, have, have, mode)
                else:
                    _merge_counted(spans, found, other, have, size)
                found, other = other, found
            have += length
        rest >>= 1
        if rest == 0:
            return found
        if clean:
            _merge(x, y, spans, spans, twice, gap, length, length, length, mode)
        else:
            _merge_counted(spans, spans, twice, length, size)
        spans, twice = twice, spans
        length *= 2


@njit(cache=True, inline="always", error_model="numpy")
def _joint(mode, n, xy, yy, xx):
    if mode == 1:
        return xy / (n - 1.0)
    if mode == 2:
        return xy / yy if yy > 0.0 else NAN
    return xy / (math.sqrt(xx) * math.sqrt(yy)) if xx > 0.0 and yy > 0.0 else NAN


@njit(cache=True, nogil=True, error_model="numpy")
def joint(x, y, window, need, mode, out):
    """Correlation (mode 0), covariance (1) or slope of x on y (2)."""
    length = x.shape[1]
    cap = min(tile_rows(window) + window, length)
    states, gap = np.zeros((4, _ROWS, cap)), np.zeros((2, cap))
    n, least = float(window), max(float(need), 2.0)
    for p in range(x.shape[0]):
        a, b, to = x[p], y[p], out[p]
        start = 0
        while start < length:
            stop = next_stop(start, window, length)
            low = max(start - window + 1, 0)
            clean = start >= window - 1 and whole(a[low:stop]) and whole(b[low:stop])
            found = _windows(a[low:stop], b[low:stop], window, mode, clean, states, gap)
            xy, yy, xx, count = found[2], found[3], found[4], found[7]
            if clean:
                for i in range(start - low, stop - low):
                    to[low + i] = _joint(mode, n, xy[i], yy[i], xx[i])
            else:
                for i in range(start - low, stop - low):
                    value = _joint(mode, count[i], xy[i], yy[i], xx[i])
                    to[low + i] = value if count[i] >= least else NAN
            start = stop
