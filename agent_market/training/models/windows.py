"""Row windows of sequence models."""

from __future__ import annotations

import numpy as np

from agent_market.utils.arrays import Ints


def window_rows(rows: int, window: int, groups: Ints | None) -> Ints:
    """Return (N, window) row numbers, the newest last; row i's window ends at i and stays in its group.

    Rows of a group need not be adjacent, but must be in order of time.  Where a group has too few earlier
    rows, its first row is repeated in front.
    """
    if groups is None:
        return _within(np.arange(rows, dtype=np.int64), window)
    table = np.empty((rows, window), dtype=np.int64)
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        table[members] = members[_within(np.arange(len(members), dtype=np.int64), window)]
    return table


def _within(order: Ints, window: int) -> Ints:
    return np.maximum(order[:, None] + np.arange(1 - window, 1), 0)
