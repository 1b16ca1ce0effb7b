"""Extremes, ranks and medians over a moving window.  Arrays are (pairs, times)."""

# mypy: disallow-untyped-defs=False, check-untyped-defs=False
# Types are numba's to infer.
from __future__ import annotations

import math

import numpy as np
from numba import njit

NAN = math.nan
_CHUNK = 512


@njit(cache=True, nogil=True, error_model="numpy")
def largest(x, window, need, side, out):
    """Largest (side 1) or smallest (side -1) value: tail of the block before, head of its own."""
    tail = np.empty(window + 1)
    tail_n = np.empty(window + 1)
    length = x.shape[1]
    for p in range(x.shape[0]):
        row, to = x[p], out[p]
        tail[:] = -np.inf
        tail_n[:] = 0.0
        for start in range(0, length, window):
            stop = min(start + window, length)
            top, n = -np.inf, 0.0
            for j in range(stop - start):
                v = side * row[start + j]
                n += 1.0 if v == v else 0.0
                top = v if v > top else top
                best = tail[j + 1] if tail[j + 1] > top else top
                to[start + j] = side * best if n + tail_n[j + 1] >= need else NAN
            top, n = -np.inf, 0.0
            for k in range(stop - start - 1, -1, -1):
                v = side * row[start + k]
                n += 1.0 if v == v else 0.0
                top = v if v > top else top
                tail[k] = top
                tail_n[k] = n


@njit(cache=True, nogil=True, error_model="numpy")
def position(x, window, need, out):
    """(x - smallest) / (largest - smallest), NaN where they are equal."""
    tail_high, tail_low = np.empty(window + 1), np.empty(window + 1)
    tail_n = np.empty(window + 1)
    length = x.shape[1]
    for p in range(x.shape[0]):
        row, to = x[p], out[p]
        tail_high[:] = -np.inf
        tail_low[:] = np.inf
        tail_n[:] = 0.0
        for start in range(0, length, window):
            stop = min(start + window, length)
            high, low, n = -np.inf, np.inf, 0.0
            for j in range(stop - start):
                v = row[start + j]
                n += 1.0 if v == v else 0.0
                high = v if v > high else high
                low = v if v < low else low
                top = tail_high[j + 1] if tail_high[j + 1] > high else high
                bottom = tail_low[j + 1] if tail_low[j + 1] < low else low
                ripe = n + tail_n[j + 1] >= need and top > bottom
                to[start + j] = (v - bottom) / (top - bottom) if ripe else NAN
            high, low, n = -np.inf, np.inf, 0.0
            for k in range(stop - start - 1, -1, -1):
                v = row[start + k]
                n += 1.0 if v == v else 0.0
                high = v if v > high else high
                low = v if v < low else low
                tail_high[k] = high
                tail_low[k] = low
                tail_n[k] = n


@njit(cache=True, nogil=True, error_model="numpy")
def age_of_largest(x, window, need, side, out):
    """Age of the largest (side 1) or smallest (side -1) value, 0 newest to 1 oldest; of equals the newest."""
    tail = np.empty(window + 1)
    tail_at = np.empty(window + 1, np.int64)
    tail_n = np.empty(window + 1)
    length = x.shape[1]
    for p in range(x.shape[0]):
        row, to = x[p], out[p]
        tail[:] = -np.inf
        tail_at[:] = 0
        tail_n[:] = 0.0
        for start in range(0, length, window):
            stop = min(start + window, length)
            top, at, n = -np.inf, 0, 0.0
            for j in range(stop - start):
                v = side * row[start + j]
                if v == v:
                    n += 1.0
                    if v >= top:
                        top, at = v, start + j
                found = tail_at[j + 1] if tail[j + 1] > top else at
                ripe = n + tail_n[j + 1] >= need
                to[start + j] = (start + j - found) / (window - 1.0) if ripe else NAN
            top, at, n = -np.inf, 0, 0.0
            for k in range(stop - start - 1, -1, -1):
                v = side * row[start + k]
                if v == v:
                    n += 1.0
                    if v > top:
                        top, at = v, start + k
                tail[k] = top
                tail_at[k] = at
                tail_n[k] = n


@njit(cache=True, nogil=True, error_model="numpy")
def rank(x, window, need, out):
    """Share of the window at or below the newest value, ties counted half.

    Brute force, and fast: for a chunk of rows the loop over lags is outside, so the inner loop compares two
    contiguous runs and the compiler makes vector compares of it. A NaN compares false, so it counts nowhere.
    """
    length = x.shape[1]
    twice = np.empty(_CHUNK, np.int64)
    for p in range(x.shape[0]):
        row, to = x[p], out[p]
        for start in range(0, length, _CHUNK):
            size = min(_CHUNK, length - start)
            now = row[start : start + size]
            twice[:] = 0
            reach = min(window, start + 1)
            for lag in range(0, reach - 3, 4):  # four at once, where all reach back within the panel
                o0, o1 = row[start - lag : start - lag + size], row[start - lag - 1 : start - lag - 1 + size]
                o2, o3 = (
                    row[start - lag - 2 : start - lag - 2 + size],
                    row[start - lag - 3 : start - lag - 3 + size],
                )
                for i in range(size):
                    v = now[i]
                    twice[i] += (
                        np.int64(o0[i] < v)
                        + np.int64(o0[i] <= v)
                        + np.int64(o1[i] < v)
                        + np.int64(o1[i] <= v)
                        + np.int64(o2[i] < v)
                        + np.int64(o2[i] <= v)
                        + np.int64(o3[i] < v)
                        + np.int64(o3[i] <= v)
                    )
            for lag in range(reach // 4 * 4, min(window, start + size)):
                skip = max(lag - start, 0)
                old = row[start + skip - lag : start + size - lag]
                new = now[skip:]
                count = twice[skip:size]
                for i in range(size - skip):
                    count[i] += np.int64(old[i] < new[i]) + np.int64(old[i] <= new[i])
            present = 0
            for i in range(max(start - window, 0), start):
                present += row[i] == row[i]
            for i in range(size):
                t = start + i
                present += row[t] == row[t]
                if t >= window:
                    present -= row[t - window] == row[t - window]
                ripe = present >= need and now[i] == now[i]
                to[t] = (twice[i] + 1.0) / (2.0 * present) if ripe else NAN


@njit(cache=True, nogil=True, error_model="numpy")
def median(x, window, need, out):
    """Median: the window is kept sorted; only the values between the one that leaves and the new one move."""
    held = np.empty(window + 1)
    length = x.shape[1]
    for p in range(x.shape[0]):
        row, to = x[p], out[p]
        n = 0
        for t in range(length):
            v = row[t]
            old = row[t - window] if t >= window else NAN
            if old == old:
                i = np.searchsorted(held[:n], old)
                if v == v:  # the newest takes the place of the oldest, and moves to its own
                    while i + 1 < n and held[i + 1] < v:
                        held[i] = held[i + 1]
                        i += 1
                    while i > 0 and held[i - 1] > v:
                        held[i] = held[i - 1]
                        i -= 1
                    held[i] = v
                else:
                    n -= 1
                    while i < n:
                        held[i] = held[i + 1]
                        i += 1
            elif v == v:
                i = n
                while i > 0 and held[i - 1] > v:
                    held[i] = held[i - 1]
                    i -= 1
                held[i] = v
                n += 1
            if n >= need and n > 0:
                to[t] = held[n // 2] if n % 2 else 0.5 * (held[n // 2 - 1] + held[n // 2])
            else:
                to[t] = NAN
