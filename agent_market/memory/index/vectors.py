"""Exact nearest neighbours among what was known at a moment.

Vectors are kept sorted by the time they became known, so what a query may see is a prefix, and only
that prefix is searched.  Nothing has to be filtered out afterwards, and no caller can forget to: there
is no search without `asof`.  A graph or clustering built over all vectors would be shaped by the
future, so there is none.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from agent_market.memory.index.compressed import CompressedRows
from agent_market.memory.index.exact import nearest_in, nearest_in_prefixes
from agent_market.utils.arrays import Floats, Ints

Item = TypeVar("Item")

Rows = npt.NDArray[np.float32]

_FIRST_CAPACITY = 256
_LONG = 128
_MANY = 1 << 22


class PointInTimeVectors:
    """A growing array of (known_at, key, vector), searched as it stood at any moment.

    Rows are sorted by (known_at, key).  Adding in that order is O(1) amortised; a late arrival with an
    older `known_at` is moved to its place in O(n).  Not thread-safe.
    """

    def __init__(self, dim: int) -> None:
        """:param dim: length of every vector, at least 1."""
        self.dim = dim
        self._size = 0
        self._known = np.empty(_FIRST_CAPACITY, dtype=np.int64)
        self._keys = np.empty(_FIRST_CAPACITY, dtype=np.int64)
        self._vectors = np.empty((_FIRST_CAPACITY, dim), dtype=np.float32)
        self._compressed: CompressedRows | None = None

    @classmethod
    def over(cls, known_at: Ints, keys: Ints, vectors: Rows) -> PointInTimeVectors:
        """Rows over arrays that are sorted by (known_at, key); nothing is copied until a row is added.

        :param vectors: (n, dim) float32, C-contiguous; a read-only memory map will do.
        :raises ValueError: the arrays do not fit each other or are not sorted.
        """
        n, dim = vectors.shape
        if known_at.shape != (n,) or keys.shape != (n,):
            raise ValueError(f"{n} vectors with {known_at.shape} times and {keys.shape} keys")
        later = (known_at[1:] > known_at[:-1]) | ((known_at[1:] == known_at[:-1]) & (keys[1:] >= keys[:-1]))
        if not later.all():
            raise ValueError(
                f"row {int(np.argmin(later)) + 1} is known before the one above it; sort the rows"
            )
        self = cls(dim)
        self._size, self._known, self._keys, self._vectors = n, known_at, keys, vectors
        return self

    def __len__(self) -> int:
        return self._size

    @property
    def known_at(self) -> Ints:
        """(n,) seconds since the epoch, ascending. A view: not to be written to."""
        return self._known[: self._size]

    @property
    def keys(self) -> Ints:
        """(n,) keys in the order of the rows. A view: not to be written to."""
        return self._keys[: self._size]

    @property
    def vectors(self) -> Rows:
        """(n, dim) vectors in the order of the rows. A view: not to be written to."""
        return self._vectors[: self._size]

    @property
    def nbytes(self) -> int:
        """Memory taken, spare capacity and compressed rows included."""
        compressed = 0 if self._compressed is None else self._compressed.nbytes
        return self._known.nbytes + self._keys.nbytes + self._vectors.nbytes + compressed

    def add(self, known_at: int, key: int, vector: npt.ArrayLike) -> int:
        """Add one row, after those of equal (known_at, key); returns its place.

        :raises ValueError: wrong length, or a number that is not finite.
        """
        row = self.checked(vector, (self.dim,))
        size = self._size
        if size == len(self._known) or not self._vectors.flags.writeable:
            self._grow()
        place = size
        if size and (known_at, key) < (int(self._known[size - 1]), int(self._keys[size - 1])):
            place = self._place_of(known_at, key)
            for array in (self._known, self._keys, self._vectors):
                array[place + 1 : size + 1] = array[place:size].copy()
            if self._compressed is not None:
                self._compressed.forget_from(place)
        self._known[place], self._keys[place], self._vectors[place] = known_at, key, row
        self._size = size + 1
        return place

    def remove(self, place: int) -> None:
        """Take out the row at `place`, in O(n)."""
        if not 0 <= place < self._size:
            raise ValueError(f"no row {place} among {self._size}")
        if not self._vectors.flags.writeable:
            self._grow()
        for array in (self._known, self._keys, self._vectors):
            array[place : self._size - 1] = array[place + 1 : self._size].copy()
        if self._compressed is not None:
            self._compressed.forget_from(place)
        self._size -= 1

    def prefix(self, asof: int) -> int:
        """How many rows have `known_at <= asof`."""
        return int(np.searchsorted(self.known_at, asof, side="right"))

    def search(self, queries: npt.ArrayLike, asofs: npt.ArrayLike, k: int) -> tuple[Floats, Ints]:
        """The k nearest rows of each query among those with `known_at <= asof`; exact.

        A batch answers, to the last bit, as its queries one by one do: see `memory.index.exact`.

        :param queries: (Q, dim) finite numbers.
        :param asofs: (Q,) seconds since the epoch.
        :returns: Euclidean distances (Q, k), ascending, inf beyond what was known; and places (Q, k) of the
            rows, -1 there. Equal distances are ordered by (known_at, key).
        :raises ValueError: wrong shape, k < 1, or a number that is not finite.
        """
        moments = np.asarray(asofs, dtype=np.int64)
        rows = self.checked(queries, (len(moments), self.dim))
        if k < 1:
            raise ValueError(f"k must be at least 1, got {k}")
        sizes = np.searchsorted(self.known_at, moments, side="right")
        return nearest_in_prefixes(self.vectors, rows, sizes, k, self._first_pass())

    def nearest(self, query: npt.ArrayLike, asof: int, k: int) -> tuple[Floats, Ints]:
        """`search` for one query, (dim,): distances and places of at most k rows, nothing beyond them."""
        row = self.checked(query, (self.dim,))
        return nearest_in(self._vectors[: self.prefix(asof)], row, k, self._first_pass())

    def checked(self, values: npt.ArrayLike, shape: tuple[int, ...]) -> Rows:
        """`values` as finite float32 of `shape`. :raises ValueError: they are not."""
        array = np.ascontiguousarray(values, dtype=np.float32)
        if array.shape != shape:
            raise ValueError(f"expected vectors of shape {shape}, got {array.shape}")
        if not np.isfinite(array).all():
            raise ValueError(f"a vector holds a number that is not finite: {array}")
        return array

    def _first_pass(self) -> CompressedRows | None:
        """Compressed rows where reading whole ones is what takes the time."""
        if self.dim < _LONG or self._size * self.dim < _MANY:
            return None
        if self._compressed is None:
            self._compressed = CompressedRows(self.dim)
        self._compressed.encode(self.vectors)
        return self._compressed

    def _place_of(self, known_at: int, key: int) -> int:
        first, last = np.searchsorted(self.known_at, [known_at, known_at + 1]).tolist()
        return int(first + np.searchsorted(self._keys[first:last], key, side="right"))

    def _grow(self) -> None:
        capacity = max(2 * self._size, _FIRST_CAPACITY)
        for name in ("_known", "_keys", "_vectors"):
            old = getattr(self, name)
            new = np.empty((capacity, *old.shape[1:]), dtype=old.dtype)
            new[: self._size] = old[: self._size]
            setattr(self, name, new)


class PointInTimeIndex(Generic[Item]):
    """`PointInTimeVectors` whose rows carry an item each."""

    def __init__(self, dim: int) -> None:
        """:param dim: length of every vector, at least 1."""
        self.dim = dim
        self.rows = PointInTimeVectors(dim)
        self._items: list[Item] = []
        self._times: list[int] = []

    @classmethod
    def over(cls, rows: PointInTimeVectors, items: Sequence[Item]) -> PointInTimeIndex[Item]:
        """Rows with their items, in the order of the rows.

        :raises ValueError: not one item for each row.
        """
        if len(items) != len(rows):
            raise ValueError(f"{len(rows)} rows and {len(items)} items")
        self = cls(rows.dim)
        self.rows, self._items, self._times = rows, list(items), rows.known_at.tolist()
        return self

    def __len__(self) -> int:
        return len(self._items)

    def add(self, known_at: int, vector: npt.ArrayLike, item: Item, order: int | None = None) -> int:
        """Add one vector; returns its place.

        :param known_at: seconds since the epoch from which on queries may see it.
        :param vector: (dim,) finite numbers, kept as float32.
        :param item: what a search returns for it.
        :param order: rank among those with equal `known_at`; the number of items so far if None.
        :raises ValueError: wrong length, or a number that is not finite.
        """
        place = self.rows.add(known_at, len(self._items) if order is None else order, vector)
        self._items.insert(place, item)
        self._times.insert(place, known_at)
        return place

    def known(self, asof: int) -> tuple[Item, ...]:
        """Items with `known_at <= asof`, ordered by (known_at, order)."""
        return tuple(self._items[: bisect_right(self._times, asof)])

    def between(self, start: int, stop: int) -> list[Item]:
        """Items at the places [start, stop) of that order."""
        return self._items[start:stop]

    def at(self, places: Sequence[int]) -> list[Item]:
        """Items at the given places of that order."""
        return [self._items[place] for place in places]

    def remove(self, place: int) -> None:
        """Take out the item at a place of that order, in O(n)."""
        self.rows.remove(place)
        del self._items[place], self._times[place]

    def search(
        self, queries: npt.ArrayLike, asofs: Sequence[int] | npt.NDArray[np.int64], k: int
    ) -> tuple[list[list[float]], list[list[Item]]]:
        """The k nearest items of each query among those with `known_at <= asof`, by distance.

        All queries of a backtest may be asked in one call; see `PointInTimeVectors.search`.

        :returns: per query the Euclidean distances (ascending) and the items; fewer than k where fewer are
            known.
        """
        distances, places = self.rows.search(queries, asofs, k)
        found = [[p for p in row if p >= 0] for row in places.tolist()]
        near = [row[: len(f)] for row, f in zip(distances.tolist(), found, strict=True)]
        return near, [[self._items[p] for p in row] for row in found]
