"""Windows of a few rows, looked at lag by lag, so that the inner loop runs over contiguous rows as vectors.

The work grows with the window, and up to about 16 rows it is less than the bookkeeping of two blocks.
"""

# mypy: disallow-untyped-defs=False, check-untyped-defs=False
# Types are numba's to infer.
from __future__ import annotations

import math

import numpy as np
from numba import njit

NAN = math.nan
LONGEST = 16
_CHUNK = 512


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
