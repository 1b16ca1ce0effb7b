"""The first pass of a batch: about the nearest rows of many queries at once, at the speed of matrix products.

    |q - x|^2 - |q|^2 - t = [x, |x|^2, 1] . [-2 q, 1, -t]

is one product of widened rows and queries, and its sign says whether a row beats the threshold t, the worst
that a query still keeps.  So almost every number is looked at once, by its sign, while it is in the cache.
Thresholds only fall: a stale one lets too much through, never too little.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from agent_market.utils.arrays import Floats, Ints

Rows = npt.NDArray[np.float32]

_FIRST, _CHUNK, _TILE = 64, 512, 256
_NOTHING = np.float32(-3e38)


def scan(rows: Rows, queries: Rows, seen: Ints, wanted: int) -> tuple[Floats, Ints]:
    """About the `wanted` nearest of the first `seen[i]` rows for each query.

    Float32 arithmetic: a squared distance is off by at most `error(...)`, and what is left out is not nearer
    than the last one given, but for that error.

    :param seen: (Q,) ascending.
    :returns: squared distances (Q, wanted), ascending, inf beyond what there is; and places, 0 there.
    """
    kept = _Kept(queries, wanted)
    stop = int(seen[-1])
    at = min(stop, max(_FIRST, wanted))
    kept.take_all(rows[:at], seen)
    product = np.empty(_CHUNK * _TILE, dtype=np.float32)
    below = np.empty(_CHUNK * _TILE, dtype=np.bool_)
    while at < stop:
        end = min(at + min(_CHUNK, at), stop)
        chunk = _widened(rows[at:end])
        for start, tile in kept.tiles():
            size, width = len(chunk) * tile.shape[1], tile.shape[1]
            np.matmul(chunk, tile, out=product[:size].reshape(len(chunk), width))
            hits = np.flatnonzero(np.less(product[:size], np.float32(0.0), out=below[:size]))
            if not len(hits):
                continue
            query, place = start + hits % width, at + hits // width
            if end > seen[0]:
                there = place < seen[query]
                hits, query, place = hits[there], query[there], place[there]
            kept.offer(query, place, product[hits])
        at = end
        kept.settle()
    kept.settle(last=True)
    order = np.argsort(kept.near, axis=1)
    near = np.take_along_axis(kept.near, order, axis=1).astype(np.float64) + kept.lengths[:, None]
    return near, np.take_along_axis(kept.found, order, axis=1)


def error(dim: int, reach: Floats) -> Floats:
    """How far off a squared distance of `scan` may be, where |q| + |x| is at most `reach`.

    Higham (2002), Accuracy and Stability of Numerical Algorithms, section 3.1: a sum of n products is off
    by at most n u / (1 - n u) times the sum of their sizes, u = 2^-24; here 4 reach^2 with room.
    """
    n = (dim + 6) * 2.0**-24
    bound: Floats = 4.0 * n / (1.0 - n) * reach**2
    return bound


class _Kept:
    """The best so far of each query, as |x|^2 - 2 q.x, and the queries widened by their thresholds."""

    def __init__(self, queries: Rows, wanted: int) -> None:
        count, dim = queries.shape
        self.near = np.full((count, wanted), np.inf, dtype=np.float32)
        self.found = np.zeros((count, wanted), dtype=np.int64)
        self.lengths = np.einsum("ij,ij->i", queries, queries, dtype=np.float64)
        self._wanted = wanted
        self._starts = range(0, count, _TILE)
        self._wide = [np.empty((dim + 2, len(queries[s : s + _TILE])), np.float32) for s in self._starts]
        for start, tile in self.tiles():
            tile[:dim] = -2.0 * queries[start : start + _TILE].T
            tile[dim] = 1.0
        self._waiting: list[tuple[Ints, Ints, Rows]] = []
        self._count = 0

    def tiles(self) -> list[tuple[int, Rows]]:
        """(first query, widened queries (dim + 2, tile)) of each tile."""
        return list(zip(self._starts, self._wide, strict=True))

    def take_all(self, rows: Rows, seen: Ints) -> None:
        """Begin with all of the first few rows."""
        chunk = _widened(rows)[:, :-1]
        for start, tile in self.tiles():
            values = (chunk @ tile[:-1]).T
            values[np.arange(len(rows)) >= seen[start : start + _TILE, None]] = np.inf
            order = np.argsort(values, axis=1, kind="stable")[:, : self._wanted]
            there = slice(start, start + _TILE), slice(0, order.shape[1])
            self.near[there], self.found[there] = np.take_along_axis(values, order, axis=1), order
        self._set_thresholds()

    def offer(self, query: Ints, place: Ints, value: Rows) -> None:
        """Take note of rows that beat a threshold, by what they beat it."""
        self._waiting.append((query, place, value + self._threshold[query]))
        self._count += len(query)

    def settle(self, last: bool = False) -> None:
        """Keep the best of what waits, once enough does, and lower the thresholds."""
        if not self._count or (not last and self._count < self.near.size // 2):
            return
        query, place, value = (np.concatenate(parts) for parts in zip(*self._waiting, strict=True))
        self._waiting, self._count = [], 0
        order = np.argsort(query, kind="stable")
        query, place, value = query[order], place[order], value[order]
        slot = np.arange(len(query)) - np.searchsorted(query, np.arange(len(self.near)))[query]
        shape = (len(self.near), int(slot.max()) + 1)
        more, more_found = np.full(shape, np.inf, dtype=np.float32), np.zeros(shape, dtype=np.int64)
        more[query, slot], more_found[query, slot] = value, place
        near = np.concatenate([self.near, more], axis=1)
        found = np.concatenate([self.found, more_found], axis=1)
        best = np.argsort(near, axis=1, kind="stable")[:, : self._wanted]
        self.near, self.found = (
            np.take_along_axis(near, best, axis=1),
            np.take_along_axis(found, best, axis=1),
        )
        self._set_thresholds()

    def _set_thresholds(self) -> None:
        # A query that did not fill its places has seen all that it may see.
        worst = self.near.max(axis=1)
        self._threshold = np.where(np.isfinite(worst), worst, _NOTHING)
        for start, tile in self.tiles():
            tile[-1] = -self._threshold[start : start + _TILE]


def _widened(rows: Rows) -> Rows:
    """[x, |x|^2, 1] of each row."""
    wide = np.empty((len(rows), rows.shape[1] + 2), dtype=np.float32)
    wide[:, :-2] = rows
    wide[:, -2] = np.einsum("ij,ij->i", rows, rows, dtype=np.float64)
    wide[:, -1] = 1.0
    return wide
