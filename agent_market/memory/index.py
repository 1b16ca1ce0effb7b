"""Exact nearest neighbours among what was known at a moment.

Vectors are kept sorted by the time they became known, so what a query may see is a prefix, and
FAISS searches exactly that prefix.  Nothing has to be filtered out afterwards, and no caller can
forget to: there is no search without `asof`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Generic, TypeVar

import faiss
import numpy as np
import numpy.typing as npt

Item = TypeVar("Item")

_FIRST_CAPACITY = 256


class PointInTimeIndex(Generic[Item]):
    """A growing set of (known_at, vector, item), searched as it stood at any moment.

    Adding in order of time is O(1) amortised; a late arrival with an older `known_at` is moved to its
    place in O(n).  Not thread-safe.
    """

    def __init__(self, dim: int) -> None:
        """:param dim: length of every vector, at least 1."""
        self.dim = dim
        self._vectors = np.empty((_FIRST_CAPACITY, dim), dtype=np.float32)
        self._keys: list[tuple[int, int]] = []
        self._items: list[Item] = []

    def __len__(self) -> int:
        return len(self._items)

    def add(self, known_at: int, vector: npt.ArrayLike, item: Item, order: int | None = None) -> None:
        """Add one vector.

        :param known_at: seconds since the epoch from which on queries may see it.
        :param vector: (dim,) finite numbers, kept as float32.
        :param item: what a search returns for it.
        :param order: rank among those with equal `known_at`; the number of items so far if None.
        :raises ValueError: wrong length, or a number that is not finite.
        """
        row = self._checked(vector, (self.dim,))
        size = len(self._items)
        if size == len(self._vectors):
            self._vectors = np.concatenate([self._vectors, np.empty_like(self._vectors)])
        key = (known_at, size if order is None else order)
        place = bisect_right(self._keys, key)
        if place < size:
            self._vectors[place + 1 : size + 1] = self._vectors[place:size].copy()
        self._vectors[place] = row
        self._keys.insert(place, key)
        self._items.insert(place, item)

    def known(self, asof: int) -> tuple[Item, ...]:
        """Items with `known_at <= asof`, ordered by (known_at, order)."""
        return tuple(self._items[: self._prefix(asof)])

    def search(
        self, queries: npt.ArrayLike, asofs: Sequence[int] | npt.NDArray[np.int64], k: int
    ) -> tuple[list[list[float]], list[list[Item]]]:
        """The k nearest items of each query among those with `known_at <= asof`, nearest first.

        Each query is searched on its own: FAISS rounds differently for large batches, and a batch
        must answer as its queries one by one do.

        :param queries: (Q, dim) finite numbers.
        :param asofs: (Q,) seconds since the epoch.
        :param k: how many at most; there are fewer where fewer are known.
        :returns: per query the Euclidean distances (ascending, to float32 precision) and the items.
            Equal distances are ordered by (known_at, order).
        :raises ValueError: wrong shape, or a number that is not finite.
        """
        rows = self._checked(queries, (len(asofs), self.dim))
        found = [
            self._nearest(row, self._prefix(int(asof)), k) for row, asof in zip(rows, asofs, strict=True)
        ]
        return [distances for distances, _ in found], [items for _, items in found]

    def _prefix(self, asof: int) -> int:
        return bisect_right(self._keys, asof, key=lambda key: key[0])

    def _nearest(self, query: npt.NDArray[np.float32], size: int, k: int) -> tuple[list[float], list[Item]]:
        count = min(k, size)
        if count == 0:
            return [], []
        seen = self._vectors[:size]
        # FAISS keeps the first of equally near ones and orders by (distance, place): a test pins that.
        squared, places = faiss.knn(query[None], seen, count)
        distances = np.sqrt(squared[0].astype(np.float64)).tolist()
        return distances, [self._items[place] for place in places[0].tolist()]

    def _checked(self, values: npt.ArrayLike, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
        array = np.ascontiguousarray(values, dtype=np.float32)
        if array.shape != shape:
            raise ValueError(f"expected vectors of shape {shape}, got {array.shape}")
        if not np.isfinite(array).all():
            raise ValueError(f"a vector holds a number that is not finite: {array}")
        return array
