"""Operators over the pairs at one time.  Arrays are (pairs, times); with fewer than 2 values then, NaN."""

# mypy: disallow-untyped-defs=False, check-untyped-defs=False
# Types are numba's to infer.
from __future__ import annotations

import math

import numpy as np
from numba import njit

NAN = math.nan
RANK, ZSCORE, DEMEAN, SCALE, MEAN = 0, 1, 2, 3, 4
_CHUNK = 256


@njit(cache=True, nogil=True, error_model="numpy")
def rank(x, out):
    """Share of the pairs at or below each, ties counted half."""
    pairs, length = x.shape
    twice = np.empty(_CHUNK, np.int64)
    present = np.empty(_CHUNK, np.int64)
    for start in range(0, length, _CHUNK):
        size = min(_CHUNK, length - start)
        present[:] = 0
        for p in range(pairs):
            row = x[p, start : start + size]
            for i in range(size):
                present[i] += np.int64(row[i] == row[i])
        for p in range(pairs):
            mine = x[p, start : start + size]
            to = out[p, start : start + size]
            twice[:] = 0
            for q in range(pairs):
                other = x[q, start : start + size]
                for i in range(size):
                    twice[i] += np.int64(other[i] < mine[i]) + np.int64(other[i] <= mine[i])
            for i in range(size):
                ripe = mine[i] == mine[i] and present[i] >= 2
                to[i] = (twice[i] + 1.0) / (2.0 * present[i]) if ripe else NAN


@njit(cache=True, nogil=True, error_model="numpy")
def relate(x, mode, out):
    """z-score (1), difference from the mean (2), share of the absolute sum (3) or the mean itself (4)."""
    pairs, length = x.shape
    mean = np.empty(_CHUNK)
    size_of = np.empty(_CHUNK)
    n = np.empty(_CHUNK)
    for start in range(0, length, _CHUNK):
        size = min(_CHUNK, length - start)
        mean[:] = 0.0
        size_of[:] = 0.0
        n[:] = 0.0
        for p in range(pairs):
            row = x[p, start : start + size]
            for i in range(size):
                v = row[i]
                there = v == v
                n[i] += 1.0 if there else 0.0
                mean[i] += v if there else 0.0
                size_of[i] += abs(v) if there else 0.0
        for i in range(size):
            mean[i] = mean[i] / n[i] if n[i] >= 2.0 else NAN
        if mode == 1:
            size_of[:] = 0.0
            for p in range(pairs):
                row = x[p, start : start + size]
                for i in range(size):
                    d = row[i] - mean[i]
                    size_of[i] += d * d if d == d else 0.0
            for i in range(size):
                # A spread within rounding of the level is none: all pairs are equal.
                flat = size_of[i] <= n[i] * (4e-16 * mean[i]) ** 2
                size_of[i] = NAN if flat else math.sqrt(size_of[i] / (n[i] - 1.0))
        for p in range(pairs):
            row = x[p, start : start + size]
            to = out[p, start : start + size]
            for i in range(size):
                v = row[i]
                if mode == 1:
                    r = (v - mean[i]) / size_of[i]
                elif mode == 2:
                    r = v - mean[i]
                elif mode == 3:
                    r = v / size_of[i] if n[i] >= 2.0 else NAN
                else:
                    r = mean[i]
                # Absent stays absent, also for the mean, so that a pair has a factor only where it has data.
                to[i] = r if v == v and abs(r) < np.inf else NAN
