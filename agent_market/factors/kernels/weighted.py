"""Weighted sums over a moving window, merged from spans as in `sums`: linear and exponential weights."""

# mypy: disallow-untyped-defs=False, check-untyped-defs=False
# Types are numba's to infer.
from __future__ import annotations

import math

import numpy as np
from numba import njit

from agent_market.factors.kernels.sums import gaps, merge_means, next_stop, tile_rows, weights, whole

NAN = math.nan

# Rows of a state of `trend`: mean as a distance to the newest value; sum of (age - mean age)(value - mean);
# mean age; sum of (age - mean age)^2; that newest value; how many there are. Ages count rows back from the
# newest of the span. Those of all whole spans of one length are equal, so there they are two numbers.
_TREND_ROWS = 6


@njit(cache=True, error_model="numpy")
def _merge_by_age(gap, old, new, to, by_age):
    for i in range(len(to)):
        to[i] = old[i] + new[i] + gap[i] * by_age


@njit(cache=True, error_model="numpy")
def _merge_trend(values, old, new, to, gap, n_old, n_new, shift, ages_old, ages_new):
    """Merge whole spans; `ages_...` are mean age and sum of squares. Returns those of the merged span."""
    size = len(values)
    _, c, _, _, old_share, _ = weights(float(n_old), float(n_new))
    older = ages_old[0] + float(shift)
    d = ages_new[0] - older
    gaps(values, new[0], shift, old[0], gap)
    merge_means(new[0, shift:size], gap[shift:size], to[0, shift:size], old_share)
    _merge_by_age(gap[shift:size], old[1, : size - shift], new[1, shift:size], to[1, shift:size], d * c)
    return ages_new[0] - d * old_share, ages_old[1] + ages_new[1] + d * (d * c)


@njit(cache=True, error_model="numpy")
def _merge_trend_counted(old, new, to, shift, size):
    for i in range(size):
        j = i - shift
        a, b = old[5, j] if j >= 0 else 0.0, new[5, i]
        if a == 0.0:
            to[:, i] = new[:, i]
            continue
        older = old[2, j] + float(shift)
        if b == 0.0:
            to[:, i] = old[:, j]
            to[2, i] = older
            continue
        _, c, _, _, old_share, _ = weights(a, b)
        d = new[2, i] - older
        gap = (new[4, i] - old[4, j]) + (new[0, i] - old[0, j])
        to[0, i] = new[0, i] - gap * old_share
        to[1, i] = old[1, j] + new[1, i] + gap * (d * c)
        to[2, i] = new[2, i] - d * old_share
        to[3, i] = old[3, j] + new[3, i] + d * (d * c)
        to[4, i], to[5, i] = new[4, i], a + b


@njit(cache=True, error_model="numpy")
def _trend_windows(values, window, clean, states, gap):
    """As `sums._windows`; returns the state, and mean age and sum of squares of a whole window."""
    size = len(values)
    spans, twice, found, other = states[0], states[1], states[2], states[3]
    spans[:, :size] = 0.0
    if not clean:
        for i in range(size):
            if values[i] == values[i]:
                spans[4, i], spans[5, i] = values[i], 1.0
    length, have, rest = 1, 0, window
    ages, ages_found = (0.0, 0.0), (0.0, 0.0)
    while True:
        if rest & 1:
            if have == 0:
                found[:, :size] = spans[:, :size]
                ages_found = ages
            else:
                if clean:
                    ages_found = _merge_trend(
                        values, spans, found, other, gap, length, have, have, ages, ages_found
                    )
                else:
                    _merge_trend_counted(spans, found, other, have, size)
                found, other = other, found
            have += length
        rest >>= 1
        if rest == 0:
            return found, ages_found
        if clean:
            ages = _merge_trend(values, spans, spans, twice, gap, length, length, length, ages, ages)
        else:
            _merge_trend_counted(spans, spans, twice, length, size)
        spans, twice = twice, spans
        length *= 2


@njit(cache=True, inline="always", error_model="numpy")
def _trend(mode, window, n, newest, distance, product, mean_age, squares):
    """Mean with weights window - age (mode 0) or slope per row (mode 1)."""
    if mode == 0:
        return newest + (distance - product / (n * (window - mean_age)))
    return -product / squares


@njit(cache=True, nogil=True, error_model="numpy")
def trend(x, window, need, mode, out):
    """Linearly decaying mean (mode 0) or least-squares slope (mode 1)."""
    length = x.shape[1]
    cap = min(tile_rows(window) + window, length)
    states, gap = np.zeros((4, _TREND_ROWS, cap)), np.zeros(cap)
    n, least = float(window), max(float(need), 1.0 + mode)
    for p in range(x.shape[0]):
        row, to = x[p], out[p]
        start = 0
        while start < length:
            stop = next_stop(start, window, length)
            low = max(start - window + 1, 0)
            values = row[low:stop]
            clean = start >= window - 1 and whole(values)
            f, ages = _trend_windows(values, window, clean, states, gap)
            if clean:
                for i in range(start - low, len(values)):
                    to[low + i] = _trend(mode, n, n, values[i], f[0, i], f[1, i], ages[0], ages[1])
            else:
                for i in range(start - low, len(values)):
                    value = _trend(mode, n, f[5, i], f[4, i], f[0, i], f[1, i], f[2, i], f[3, i])
                    to[low + i] = value if f[5, i] >= least else NAN
            start = stop


# Rows of a state of `exponential`: weighted mean as a distance to the newest value; sum of the weights; that
# newest value; how many there are.
_EXPONENTIAL_ROWS = 4


@njit(cache=True, error_model="numpy")
def _merge_exponential(old, new, to, shift, size, faded):
    """`faded` is what a weight becomes in `shift` rows."""
    for i in range(size):
        j = i - shift
        a, b = old[3, j] if j >= 0 else 0.0, new[3, i]
        if a == 0.0:
            to[:, i] = new[:, i]
            continue
        weight = old[1, j] * faded
        if b == 0.0:
            to[:, i] = old[:, j]
            to[1, i] = weight
            continue
        both = weight + new[1, i]
        gap = (new[2, i] - old[2, j]) + (new[0, i] - old[0, j])
        to[0, i] = new[0, i] - gap * (weight / both)
        to[1, i], to[2, i], to[3, i] = both, new[2, i], a + b


@njit(cache=True, error_model="numpy")
def _merge_exponential_whole(values, old, new, to, gap, shift, weight):
    size = len(values)
    gaps(values, new[0], shift, old[0], gap)
    merge_means(new[0, shift:size], gap[shift:size], to[0, shift:size], weight)


@njit(cache=True, error_model="numpy")
def _exponential_windows(values, window, keep, clean, states, gap):
    """As `sums._windows`."""
    size = len(values)
    spans, twice, found, other = states[0], states[1], states[2], states[3]
    spans[:, :size] = 0.0
    if not clean:
        for i in range(size):
            if values[i] == values[i]:
                spans[1, i], spans[2, i], spans[3, i] = 1.0, values[i], 1.0
    length, have, rest = 1, 0, window
    weight, weight_found = 1.0, 0.0
    while True:
        if rest & 1:
            if have == 0:
                found[:, :size] = spans[:, :size]
                weight_found = weight
            else:
                faded = keep ** float(have)
                if clean:
                    old = weight * faded
                    both = old + weight_found
                    _merge_exponential_whole(values, spans, found, other, gap, have, old / both)
                    weight_found = both
                else:
                    _merge_exponential(spans, found, other, have, size, faded)
                found, other = other, found
            have += length
        rest >>= 1
        if rest == 0:
            return found
        faded = keep ** float(length)
        if clean:
            old = weight * faded
            both = old + weight
            _merge_exponential_whole(values, spans, spans, twice, gap, length, old / both)
            weight = both
        else:
            _merge_exponential(spans, spans, twice, length, size, faded)
        spans, twice = twice, spans
        length *= 2


@njit(cache=True, nogil=True, error_model="numpy")
def exponential(x, window, keep, need, out):
    """Mean with weights keep ** age over `window` rows."""
    length = x.shape[1]
    cap = min(tile_rows(window) + window, length)
    states, gap = np.zeros((4, _EXPONENTIAL_ROWS, cap)), np.zeros(cap)
    for p in range(x.shape[0]):
        row, to = x[p], out[p]
        start = 0
        while start < length:
            stop = next_stop(start, window, length)
            low = max(start - window + 1, 0)
            values = row[low:stop]
            clean = start >= window - 1 and whole(values)
            found = _exponential_windows(values, window, keep, clean, states, gap)
            if clean:
                for i in range(start - low, len(values)):
                    to[low + i] = values[i] + found[0, i]
            else:
                for i in range(start - low, len(values)):
                    to[low + i] = found[2, i] + found[0, i] if found[3, i] >= need else NAN
            start = stop
