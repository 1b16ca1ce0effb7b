"""Moments of a moving window: numerically stable, and a function of nothing but the window's own values.

The usual way (add the newest, take off the oldest) keeps the rounding error of every value that has ever
been in the window: after one spike of 1e14 a mean stays wrong for good. Sums that start at fixed rows are
better, but how a window is cut by those rows shows in its last digits, so the same window gives other bits
on a shorter history: live factors then differ from those of the batch.

Here a window is the merge of spans whose lengths are powers of two, the binary digits of its own length: 13
rows are the newest 1, the 4 before them and the 8 before those. Spans of twice the length are made by merging
two neighbours, for all rows at once. Which values meet in which order depends on their distance to the
newest row alone: equal windows give equal bits, wherever they stand in a panel, however long it is.

Merged are means and central moments, by the update formulas of Chan, Golub & LeVeque (1979) and Pebay
(2008, "Formulas for robust, one-pass parallel computation of covariances and arbitrary-order statistical
moments"): nothing cancels, the error grows with the logarithm of the window, and a constant window has
moments of exactly 0. The work per row grows with that logarithm as well, in loops over contiguous rows that
the compiler turns into vector instructions.

Rows are taken in tiles that fit the processor's cache. A tile in which a value is absent, or which starts
before the panel has a whole window, counts its values cell by cell, by the same expressions: not a bit
depends on which way was taken.

All kernels take and fill arrays (pairs, times); `need` is the fewest values that must be present.
"""

# mypy: disallow-untyped-defs=False, check-untyped-defs=False
# Types are numba's to infer.
from __future__ import annotations

import math

import numpy as np
from numba import njit

NAN = math.nan
_TILE = 1024

DEVIATION, ZSCORE = 0, 1
SKEWNESS, KURTOSIS = 0, 1


@njit(cache=True, error_model="numpy")
def whole(block):
    """Whether every value is present."""
    absent = 0
    for i in range(len(block)):
        absent += block[i] != block[i]
    return absent == 0


@njit(cache=True, error_model="numpy")
def tile_rows(window):
    """Rows of one tile: its arrays stay in the cache, and the rows read twice remain the smaller part."""
    return max(_TILE, 2 * window)


@njit(cache=True, error_model="numpy")
def next_stop(start, window, length):
    """Where the tile that begins at `start` ends; the first holds the rows without a whole window."""
    return min(window - 1 if start < window - 1 else start + tile_rows(window), length)


# Outputs have loops of their own, and no loop writes where it reads: the compiler makes vectors only of loops
# with few arrays that it finds apart.
@njit(cache=True, error_model="numpy")
def gaps(values, means, shift, old_means, to):
    """Mean of the newer span less that of the older, which ends `shift` rows before it.

    Means are kept as distances to the newest value of their span, so the level of the values drops out.
    """
    size = len(values)
    old, new = values[: size - shift], values[shift:]
    later, earlier = means[shift:size], old_means[: size - shift]
    found = to[shift:size]
    for i in range(size - shift):
        found[i] = (new[i] - old[i]) + (later[i] - earlier[i])


@njit(cache=True, error_model="numpy")
def merge_means(new, gap, to, old_share):
    """Mean of two spans, as a distance to the newest value; `old_share` is that of the older."""
    for i in range(len(to)):
        to[i] = new[i] - gap[i] * old_share


@njit(cache=True, error_model="numpy")
def merge_products(gap_x, gap_y, old, new, to, c):
    """Sum of (x - mean x)(y - mean y) of two spans."""
    for i in range(len(to)):
        to[i] = old[i] + new[i] + gap_x[i] * (gap_y[i] * c)


@njit(cache=True, error_model="numpy")
def merge_squares(gap, old, new, to, c):
    """Sum of (x - mean)^2 of two spans."""
    for i in range(len(to)):
        to[i] = old[i] + new[i] + gap[i] * (gap[i] * c)


@njit(cache=True, error_model="numpy")
def _merge_cubes(gap, old_2, new_2, old, new, to, c3, by_new, by_old):
    for i in range(len(to)):
        d = gap[i]
        to[i] = old[i] + new[i] + d * (d * (d * c3) + (by_new * new_2[i] - by_old * old_2[i]))


@njit(cache=True, error_model="numpy")
def _merge_fourths(gap, old_2, new_2, old_3, new_3, old, new, to, c4, u2, v2, u3, v3):
    for i in range(len(to)):
        d = gap[i]
        to[i] = (
            old[i]
            + new[i]
            + d * (d * (d * (d * c4) + (u2 * new_2[i] + v2 * old_2[i])) + (u3 * new_3[i] - v3 * old_3[i]))
        )


@njit(cache=True, inline="always", error_model="numpy")
def weights(a, b):
    """What merging `a` older and `b` newer values needs of their numbers alone."""
    n = a + b
    share = b / n
    c = a * share
    return n, c, c * (a - b) / n, c * (a * a - a * b + b * b) / (n * n), a / n, share


@njit(cache=True, error_model="numpy")
def _merge(values, old, new, to, gap, n_old, n_new, shift, power):
    """Merge rows of `old` with those `shift` rows later of `new`, all whole, into `to`, up to `power`."""
    size = len(values)
    _, c, c3, c4, old_share, share = weights(float(n_old), float(n_new))
    gaps(values, new[0], shift, old[0], gap)
    d = gap[shift:size]
    merge_means(new[0, shift:size], d, to[0, shift:size], old_share)
    if power < 2:
        return
    o2, n2 = old[1, : size - shift], new[1, shift:size]
    merge_squares(d, o2, n2, to[1, shift:size], c)
    if power < 3:
        return
    o3, n3 = old[2, : size - shift], new[2, shift:size]
    _merge_cubes(d, o2, n2, o3, n3, to[2, shift:size], c3, 3.0 * old_share, 3.0 * share)
    if power < 4:
        return
    o4, n4, t4 = old[3, : size - shift], new[3, shift:size], to[3, shift:size]
    u2, v2 = 6.0 * old_share * old_share, 6.0 * share * share
    _merge_fourths(d, o2, n2, o3, n3, o4, n4, t4, c4, u2, v2, 4.0 * old_share, 4.0 * share)


@njit(cache=True, error_model="numpy")
def _merge_counted(old, new, to, shift, size, power):
    """The same where values may be absent: the last two rows of a state are newest value and count."""
    for i in range(size):
        j = i - shift
        a, b = old[-1, j] if j >= 0 else 0.0, new[-1, i]
        if a == 0.0:
            to[:, i] = new[:, i]
            continue
        if b == 0.0:
            to[:, i] = old[:, j]
            continue
        _, c, c3, c4, old_share, share = weights(a, b)
        d = (new[-2, i] - old[-2, j]) + (new[0, i] - old[0, j])
        to[-1, i] = a + b
        to[-2, i] = new[-2, i]
        to[0, i] = new[0, i] - d * old_share
        if power >= 2:
            to[1, i] = old[1, j] + new[1, i] + d * (d * c)
        if power >= 3:
            by_new, by_old = 3.0 * old_share, 3.0 * share
            to[2, i] = old[2, j] + new[2, i] + d * (d * (d * c3) + (by_new * new[1, i] - by_old * old[1, j]))
        if power >= 4:
            u2, v2 = 6.0 * old_share * old_share, 6.0 * share * share
            u3, v3 = 4.0 * old_share, 4.0 * share
            to[3, i] = (
                old[3, j]
                + new[3, i]
                + d
                * (d * (d * (d * c4) + (u2 * new[1, i] + v2 * old[1, j])) + (u3 * new[2, i] - v3 * old[2, j]))
            )


@njit(cache=True, error_model="numpy")
def _windows(values, window, power, clean, states, gap):
    """Mean and central moments, up to `power`, of the windows that end at each value.

    :param clean: whether all values are present; then the first window - 1 columns are undefined, and so are
        the last two rows.
    :param states: room for four states (4, power + 2, at least as many columns as values).
    :returns: one of them. Its rows are the mean as a distance to the newest value present, the moments,
        that newest value, and how many are present.
    """
    size = len(values)
    spans, twice, found, other = states[0], states[1], states[2], states[3]
    spans[:, :size] = 0.0
    if not clean:
        for i in range(size):
            if values[i] == values[i]:
                spans[-2, i] = values[i]
                spans[-1, i] = 1.0
    length, have, rest = 1, 0, window
    while True:
        if rest & 1:
            if have == 0:
                found[:, :size] = spans[:, :size]
            else:
                if clean:
                    _merge(values, spans, found, other, gap, length, have, have, power)
                else:
                    _merge_counted(spans, found, other, have, size, power)
                found, other = other, found
            have += length
        rest >>= 1
        if rest == 0:
            return found
        if clean:
            _merge(values, spans, spans, twice, gap, length, length, length, power)
        else:
            _merge_counted(spans, spans, twice, length, size, power)
        spans, twice = twice, spans
        length *= 2


@njit(cache=True, inline="always", error_model="numpy")
def _mean(newest, distance, scale):
    return scale * (newest + distance)


@njit(cache=True, inline="always", error_model="numpy")
def _spread(mode, distance, n, squares):
    """Deviation (mode 0) or z-score of the newest value (mode 1)."""
    deviation = math.sqrt(squares / (n - 1.0))
    if mode == 0:
        return deviation
    return -distance / deviation if deviation > 0.0 else NAN


@njit(cache=True, inline="always", error_model="numpy")
def _shape(mode, n, squares, last):
    """Sample skewness (mode 0) or excess kurtosis (mode 1), from the sum of cubes or of fourth powers."""
    m2 = squares / n
    if mode == 0:
        value = math.sqrt(n * (n - 1.0)) / (n - 2.0) * (last / n) / (m2 * math.sqrt(m2))
    else:
        value = (n - 1.0) / ((n - 2.0) * (n - 3.0)) * ((n + 1.0) * (last / n) / (m2 * m2) - 3.0 * (n - 1.0))
    return value if m2 > 0.0 else NAN


@njit(cache=True, nogil=True, error_model="numpy")
def mean(x, window, need, scale, out):
    """Mean of the window times `scale` (1, or the window for a sum)."""
    length = x.shape[1]
    cap = min(tile_rows(window) + window, length)
    states, gap = np.zeros((4, 3, cap)), np.zeros(cap)
    for p in range(x.shape[0]):
        row, to = x[p], out[p]
        start = 0
        while start < length:
            stop = next_stop(start, window, length)
            low = max(start - window + 1, 0)
            values, skip = row[low:stop], start - low
            clean = start >= window - 1 and whole(values)
            found = _windows(values, window, 1, clean, states, gap)
            if clean:
                for i in range(skip, len(values)):
                    to[low + i] = _mean(values[i], found[0, i], scale)
            else:
                for i in range(skip, len(values)):
                    to[low + i] = _mean(found[1, i], found[0, i], scale) if found[2, i] >= need else NAN
            start = stop


@njit(cache=True, nogil=True, error_model="numpy")
def spread(x, window, need, mode, out):
    """Sample deviation (mode 0) or z-score (mode 1)."""
    length = x.shape[1]
    cap = min(tile_rows(window) + window, length)
    states, gap = np.zeros((4, 4, cap)), np.zeros(cap)
    n, least = float(window), max(float(need), 2.0)
    for p in range(x.shape[0]):
        row, to = x[p], out[p]
        start = 0
        while start < length:
            stop = next_stop(start, window, length)
            low = max(start - window + 1, 0)
            values, skip = row[low:stop], start - low
            clean = start >= window - 1 and whole(values)
            found = _windows(values, window, 2, clean, states, gap)
            if n < least:
                to[start:stop] = NAN
            elif clean:
                for i in range(skip, len(values)):
                    to[low + i] = _spread(mode, found[0, i], n, found[1, i])
            else:
                for i in range(skip, len(values)):
                    value = _spread(mode, found[0, i], found[3, i], found[1, i])
                    absent = mode == 1 and values[i] != values[i]
                    to[low + i] = value if found[3, i] >= least and not absent else NAN
            start = stop


@njit(cache=True, nogil=True, error_model="numpy")
def shape(x, window, need, mode, out):
    """Sample skewness (mode 0) or excess kurtosis (mode 1)."""
    length = x.shape[1]
    cap = min(tile_rows(window) + window, length)
    power = 3 + mode
    states, gap = np.zeros((4, power + 2, cap)), np.zeros(cap)
    n, least = float(window), max(float(need), 3.0 + mode)
    for p in range(x.shape[0]):
        row, to = x[p], out[p]
        start = 0
        while start < length:
            stop = next_stop(start, window, length)
            low = max(start - window + 1, 0)
            values, skip = row[low:stop], start - low
            clean = start >= window - 1 and whole(values)
            found = _windows(values, window, power, clean, states, gap)
            squares, last, count = found[1], found[power - 1], found[power + 1]
            if n < least:
                to[start:stop] = NAN
            elif clean:
                for i in range(skip, len(values)):
                    to[low + i] = _shape(mode, n, squares[i], last[i])
            else:
                for i in range(skip, len(values)):
                    value = _shape(mode, count[i], squares[i], last[i])
                    to[low + i] = value if count[i] >= least else NAN
            start = stop
