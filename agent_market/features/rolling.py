"""Rolling statistics whose value at a row depends on the rows of its window and on nothing else.

The usual kernels add the row that enters and subtract the one that leaves, which carries rounding from
rows long gone: after a crash the sums of a quiet market are off, and a percentile of them, being a
comparison, tips over where windows ought to tie. Here a window is put together from blocks of 1, 2, 4, ...
rows (`S_2k[t] = S_k[t] + S_k[t - k]`), so T rows cost about 2 log2(window) vector operations, and equal
windows give equal bits.

Every function takes (T,) floats and returns (T,): NaN until the window is full and where it holds a NaN.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from agent_market.utils.arrays import Floats


def lagged(values: Floats, rows: int) -> Floats:
    """Values `rows` rows earlier along the last axis (..., T); NaN for the first ones."""
    result = np.full(values.shape, np.nan)
    result[..., rows:] = values[..., : max(values.shape[-1] - rows, 0)]
    return result


def rolling_sum(values: Floats, window: int) -> Floats:
    """Sum over the last `window` rows, the current one included, along the last axis (..., T)."""
    block, size = values, 1
    total, covered = np.zeros(values.shape), 0
    while True:
        if window & size:
            total = total + lagged(block, covered)
            covered += size
        if covered == window:
            return total
        block = block + lagged(block, size)
        size *= 2


def rolling_mean_std(values: Floats, window: int) -> tuple[Floats, Floats]:
    """Mean and sample standard deviation (n - 1) over the last `window` >= 2 rows.

    Blocks are merged with the update of Chan, Golub & LeVeque (1979), which does not cancel: a constant
    has deviation exactly 0 at any level.
    """
    block, size = (values, values * 0.0), 1
    total, covered = (np.zeros(len(values)), np.zeros(len(values))), 0
    while True:
        if window & size:
            older = (lagged(block[0], covered), lagged(block[1], covered))
            total = _merge(total, covered, older, size)
            covered += size
        if covered == window:
            return total[0], np.sqrt(total[1] / (window - 1))
        block = _merge(block, size, (lagged(block[0], size), lagged(block[1], size)), size)
        size *= 2


def rolling_max(values: Floats, window: int) -> Floats:
    """Largest value of the last `window` rows."""
    return pd.Series(values).rolling(window).max().to_numpy()


def rolling_min(values: Floats, window: int) -> Floats:
    """Smallest value of the last `window` rows."""
    return pd.Series(values).rolling(window).min().to_numpy()


def rolling_percentile(values: Floats, window: int, min_count: int | None = None) -> Floats:
    """Rank of each value among the known ones of the last `window`, as 0 (lowest) .. 1 (highest).

    :param min_count: known values that the window must hold (default: all of it); fewer give NaN.
    :return: NaN also where `values` is NaN. Ties share their mean rank, so a constant gives 0.5.
    """
    rolling = pd.Series(values).rolling(window, min_periods=window if min_count is None else min_count)
    rank = rolling.rank().to_numpy()
    others = rolling.count().to_numpy() - 1.0
    return ratio(rank - 1.0, others, if_zero=0.5)


def ratio(numerator: Floats, denominator: Floats, *, if_zero: float) -> Floats:
    """Quotient; `if_zero` where the denominator is not positive; NaN where either side is."""
    positive = denominator > 0.0
    quotient = np.divide(numerator, denominator, out=np.full_like(denominator, if_zero), where=positive)
    return np.where(np.isnan(numerator) | np.isnan(denominator), np.nan, quotient)


def _merge(
    a: tuple[Floats, Floats], count_a: int, b: tuple[Floats, Floats], count_b: int
) -> tuple[Floats, Floats]:
    """Mean and sum of squared deviations of two blocks together."""
    count = count_a + count_b
    gap = b[0] - a[0]
    mean = a[0] + gap * (count_b / count)
    return mean, a[1] + b[1] + gap * gap * (count_a * count_b / count)
