"""Weighted sums over a moving window, by the same two blocks as `sums`: linear and exponential weights."""

# mypy: disallow-untyped-defs=False, check-untyped-defs=False
# Types are numba's to infer.
from __future__ import annotations

import math

import numpy as np
from numba import njit

from agent_market.factors.kernels.sums import first_present, last_present

NAN = math.nan


@njit(cache=True, inline="always", error_model="numpy")
def _trend(mode, anchor, n, u1, u2, s, us, need):
    """Linearly weighted mean (mode 0) or slope per row (mode 1); u are the weights 1 (oldest) to window."""
    if n < need or n < 1.0 + mode:
        return NAN
    if mode == 0:
        return anchor + us / u1
    return (us - u1 / n * s) / (u2 - u1 / n * u1)


@njit(cache=True, nogil=True, error_model="numpy")
def trend(x, window, need, mode, out):
    """Linearly decaying mean (mode 0) or least-squares slope (mode 1).

    Seen from row j of a block, row i of it has the weight window - j + i; of the block before, a row k
    rows after the window's start has k + 1, so the tail sums are made by adding all weights up once more for
    each step backwards.
    """
    tail = np.zeros((window + 1, 5))
    length = x.shape[1]
    for p in range(x.shape[0]):
        row, to = x[p], out[p]
        tail[:] = 0.0
        anchor, last = 0.0, -1
        for start in range(0, length, window):
            stop = min(start + window, length)
            heads = min(window - 1, stop - start)
            own = first_present(row, start, stop)
            for part in range(2):
                if part == 0:
                    low, high, base = 0, min(max(last, 0), heads), anchor
                else:
                    low, high, base = max(last, 0), heads, own
                if low >= high:
                    continue
                n, s, i1, i2, si = 0.0, 0.0, 0.0, 0.0, 0.0
                for j in range(high):
                    v = row[start + j]
                    if v == v:
                        d = v - base
                        n += 1.0
                        s += d
                        i1 += j
                        i2 += float(j) * j
                        si += j * d
                    if j < low:
                        continue
                    shift = float(window - j)
                    u1 = shift * n + i1
                    u2 = shift * shift * n + 2.0 * shift * i1 + i2
                    us = shift * s + si
                    if part == 0:
                        t = tail[j + 1]
                        to[start + j] = _trend(
                            mode, base, n + t[0], u1 + t[1], u2 + t[2], s + t[3], us + t[4], need
                        )
                    else:
                        to[start + j] = _trend(mode, base, n, u1, u2, s, us, need)
            if stop - start < window:
                break
            last = last_present(row, start, stop)
            anchor = row[start + last] if last >= 0 else 0.0
            n, u1, u2, s, us = 0.0, 0.0, 0.0, 0.0, 0.0
            for k in range(window - 1, -1, -1):
                v = row[start + k]
                u2 += 2.0 * u1 + n  # (u + 1)^2 = u^2 + 2 u + 1
                u1 += n
                us += s
                if v == v:
                    d = v - anchor
                    n += 1.0
                    u1 += 1.0
                    u2 += 1.0
                    s += d
                    us += d
                t = tail[k]
                t[0] = n
                t[1] = u1
                t[2] = u2
                t[3] = s
                t[4] = us
            to[stop - 1] = _trend(mode, anchor, n, u1, u2, s, us, need)


@njit(cache=True, nogil=True, error_model="numpy")
def exponential(x, window, keep, need, out):
    """Mean with weights keep ** age over `window` rows."""
    tail = np.zeros((window + 1, 3))
    power = keep ** np.arange(1, window + 2)
    length = x.shape[1]
    for p in range(x.shape[0]):
        row, to = x[p], out[p]
        tail[:] = 0.0
        anchor, last = 0.0, -1
        for start in range(0, length, window):
            stop = min(start + window, length)
            heads = min(window - 1, stop - start)
            own = first_present(row, start, stop)
            for part in range(2):
                if part == 0:
                    low, high, base = 0, min(max(last, 0), heads), anchor
                else:
                    low, high, base = max(last, 0), heads, own
                if low >= high:
                    continue
                n, w, s = 0.0, 0.0, 0.0
                for j in range(high):
                    v = row[start + j]
                    w *= keep
                    s *= keep
                    if v == v:
                        n += 1.0
                        w += 1.0
                        s += v - base
                    if j < low:
                        continue
                    if part == 0:
                        t = tail[j + 1]
                        if n + t[0] >= need:
                            to[start + j] = base + (s + power[j] * t[2]) / (w + power[j] * t[1])
                        else:
                            to[start + j] = NAN
                    else:
                        to[start + j] = base + s / w if n >= need else NAN
            if stop - start < window:
                break
            last = last_present(row, start, stop)
            anchor = row[start + last] if last >= 0 else 0.0
            n, w, s, weight = 0.0, 0.0, 0.0, 1.0
            for k in range(window - 1, -1, -1):
                v = row[start + k]
                if v == v:
                    n += 1.0
                    w += weight
                    s += weight * (v - anchor)
                weight *= keep
                t = tail[k]
                t[0] = n
                t[1] = w
                t[2] = s
            to[stop - 1] = anchor + s / w if n >= need else NAN
