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

A block without gaps after one without gaps takes a short cut: no counting, head and tail summed in one
loop (two chains of additions that do not wait for each other), and results made by vector instructions.

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


@njit(cache=True, error_model="numpy")
def whole(block):
    """Whether every value is present."""
    absent = 0
    for i in range(len(block)):
        absent += block[i] != block[i]
    return absent == 0


@njit(cache=True, error_model="numpy")
def accumulate(block, anchor, head, following):
    """Sums of a whole block around `anchor` from its start, and around its newest value from its end.

    Row i of `head` and `following` takes the sums of the i-th powers, from 1.
    """
    powers, size = len(head), len(block)
    newest = block[size - 1]
    h1, t1 = head[1], following[1]
    s1 = 0.0
    for j in range(size):
        s1 += block[j] - anchor
        h1[j] = s1
    s1 = 0.0
    for j in range(size - 1, -1, -1):
        s1 += block[j] - newest
        t1[j] = s1
    if powers < 3:
        return
    h2, t2 = head[2], following[2]
    s2 = 0.0
    for j in range(size):
        d = block[j] - anchor
        s2 += d * d
        h2[j] = s2
    s2 = 0.0
    for j in range(size - 1, -1, -1):
        d = block[j] - newest
        s2 += d * d
        t2[j] = s2
    if powers < 5:
        return
    h3, t3, h4, t4 = head[3], following[3], head[4], following[4]
    s3, s4 = 0.0, 0.0
    for j in range(size):
        d = block[j] - anchor
        s3 += d * d * d
        s4 += d * d * d * d
        h3[j] = s3
        h4[j] = s4
    s3, s4 = 0.0, 0.0
    for j in range(size - 1, -1, -1):
        d = block[j] - newest
        s3 += d * d * d
        s4 += d * d * d * d
        t3[j] = s3
        t4[j] = s4


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
    each = inverse[window]
    head, following = np.zeros((2, window + 1)), np.zeros((2, window + 1))
    tail = np.zeros((2, window + 1))
    length = x.shape[1]
    for p in range(x.shape[0]):
        row, to = x[p], out[p]
        tail[:] = 0.0
        anchor, last, clean, counted = 0.0, -1, False, True
        for start in range(0, length, window):
            stop = min(start + window, length)
            clean_before = clean
            clean = stop - start == window and whole(row[start:stop])
            if clean and clean_before:
                block, heads_to, tails = row[start:stop], to[start:stop], tail[1, 1:]
                accumulate(block, anchor, head, following)
                for j in range(window - 1):
                    heads_to[j] = scale * (anchor + (head[1, j] + tails[j]) * each)
                to[stop - 1] = scale * (row[stop - 1] + following[1, 0] * each)
                tail, following = following, tail
                anchor, last, counted = row[stop - 1], window - 1, False
                continue
            if not counted:
                for k in range(window):
                    tail[0, k] = window - k
                counted = True
            heads = min(window - 1, stop - start)
            total, count = 0.0, 0.0
            for j in range(min(max(last, 0), heads)):
                v = row[start + j]
                if v == v:
                    total += v - anchor
                    count += 1.0
                n = count + tail[0, j + 1]
                if n >= need:
                    to[start + j] = scale * (anchor + (total + tail[1, j + 1]) * inverse[int(n)])
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
                tail[1, k] = total
                tail[0, k] = count
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
    each, each_less = inverse[window], inverse[window - 1]
    head, following = np.zeros((3, window + 1)), np.zeros((3, window + 1))
    tail = np.zeros((3, window + 1))
    middles = np.empty(window + 1)
    length = x.shape[1]
    for p in range(x.shape[0]):
        row, to = x[p], out[p]
        tail[:] = 0.0
        anchor, last, clean, counted = 0.0, -1, False, True
        for start in range(0, length, window):
            stop = min(start + window, length)
            clean_before = clean
            clean = stop - start == window and whole(row[start:stop])
            if clean and clean_before:
                block, heads_to = row[start:stop], to[start:stop]
                accumulate(block, anchor, head, following)
                tails_1, tails_2 = tail[1, 1:], tail[2, 1:]
                for j in range(window - 1):
                    total = head[1, j] + tails_1[j]
                    middles[j] = total * each
                    variance = (head[2, j] + tails_2[j] - total * middles[j]) * each_less
                    heads_to[j] = math.sqrt(variance) if variance > 0.0 else 0.0
                if mode == 1:
                    for j in range(window - 1):
                        heads_to[j] = (block[j] - anchor - middles[j]) / heads_to[j]
                b1, b2 = following[1, 0], following[2, 0]
                to[stop - 1] = _spread(mode, block[-1], block[-1], float(window), b1, b2, need, inverse)
                tail, following = following, tail
                anchor, last, counted = row[stop - 1], window - 1, False
                continue
            if not counted:
                for k in range(window):
                    tail[0, k] = window - k
                counted = True
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
                    mode,
                    v,
                    anchor,
                    n + tail[0, j + 1],
                    s1 + tail[1, j + 1],
                    s2 + tail[2, j + 1],
                    need,
                    inverse,
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
                tail[1, k] = s1
                tail[2, k] = s2
                tail[0, k] = n
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
    each, size = inverse[window], float(window)
    bias = math.sqrt(size * (size - 1.0)) * inverse[window - 2]
    bias_4 = (size - 1.0) * inverse[window - 2] * inverse[window - 3]
    head, following = np.zeros((5, window + 1)), np.zeros((5, window + 1))
    tail = np.zeros((5, window + 1))
    length = x.shape[1]
    for p in range(x.shape[0]):
        row, to = x[p], out[p]
        tail[:] = 0.0
        anchor, last, clean, counted = 0.0, -1, False, True
        for start in range(0, length, window):
            stop = min(start + window, length)
            clean_before = clean
            clean = stop - start == window and whole(row[start:stop])
            if clean and clean_before:
                heads_to = to[start:stop]
                accumulate(row[start:stop], anchor, head, following)
                tails_1, tails_2, tails_3, tails_4 = tail[1, 1:], tail[2, 1:], tail[3, 1:], tail[4, 1:]
                if mode == 0:
                    for j in range(window - 1):
                        m, p2 = (head[1, j] + tails_1[j]) * each, (head[2, j] + tails_2[j]) * each
                        p3, m2 = (head[3, j] + tails_3[j]) * each, p2 - m * m
                        value = bias * (p3 - 3.0 * m * p2 + 2.0 * m * m * m) / (m2 * math.sqrt(m2))
                        heads_to[j] = value if m2 > 0.0 else NAN
                else:
                    for j in range(window - 1):
                        m, p2 = (head[1, j] + tails_1[j]) * each, (head[2, j] + tails_2[j]) * each
                        p3, p4 = (head[3, j] + tails_3[j]) * each, (head[4, j] + tails_4[j]) * each
                        m2 = p2 - m * m
                        m4 = p4 - 4.0 * m * p3 + 6.0 * m * m * p2 - 3.0 * m * m * m * m
                        value = bias_4 * ((size + 1.0) * m4 / (m2 * m2) - 3.0 * (size - 1.0))
                        heads_to[j] = value if m2 > 0.0 else NAN
                b = following[:, 0]
                to[stop - 1] = _shape(mode, size, b[1], b[2], b[3], b[4], need, inverse)
                tail, following = following, tail
                anchor, last, counted = row[stop - 1], window - 1, False
                continue
            if not counted:
                for k in range(window):
                    tail[0, k] = window - k
                counted = True
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
                t = tail[:, j + 1]
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
                t = tail[:, k]
                t[0] = n
                t[1] = s1
                t[2] = s2
                t[3] = s3
                t[4] = s4
            to[stop - 1] = _shape(mode, n, s1, s2, s3, s4, need, inverse)
