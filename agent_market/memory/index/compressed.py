"""A first pass over long vectors at a quarter of their size, that says how far it may be off.

One query over many rows of hundreds of numbers waits for memory, not for arithmetic.  Rounded to one
byte a number, the rows are read four times as fast.  By the triangle inequality a row whose rounded
copy is at distance D from the rounded query is at least D - e - f away, where e is the furthest that any
copy is off and f how far the query's is: so the caller can prove that the few rows this pass hands over
include the whole answer.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import faiss
import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.float32]

_LEVELS = 127.0
_HEADROOM = 1.25
_CANDIDATES = (8, 64)
_FEWEST_CANDIDATES = 128
_FLOAT32_SLACK = 1e-5


class CompressedRows:
    """One signed byte a number of an array of rows that grows at its end. Not thread-safe."""

    def __init__(self, dim: int) -> None:
        """:param dim: numbers in a row."""
        self._dim = dim
        self._error = 0.0
        self._clear(limit=0.0)

    @property
    def nbytes(self) -> int:
        """Memory that the codes take."""
        return int(self._index.ntotal) * self._dim

    def encode(self, rows: Rows) -> None:
        """Bring the codes up to `rows`, of which those encoded before must be unchanged.

        Numbers beyond the range so far widen it by a quarter, and all rows are encoded again.
        """
        fresh = rows[self._index.ntotal :]
        if not len(fresh):
            return
        largest = float(np.abs(fresh).max())
        if largest > self._limit:
            self._clear(limit=largest * _HEADROOM)
            fresh = rows
        for start in range(0, len(fresh), 1 << 14):
            part = fresh[start : start + (1 << 14)]
            scaled = np.rint(part * self._scale)
            self._index.add(scaled)
            off = np.linalg.norm(scaled.astype(np.float64) / self._scale - part, axis=1)
            self._error = max(self._error, float(off.max()))

    def forget_from(self, place: int) -> None:
        """Drop the codes of the rows at and after `place`, for they move."""
        if place < self._index.ntotal:
            self._index.remove_ids(faiss.IDSelectorRange(place, self._index.ntotal))

    def passes(self, query: Rows, size: int, count: int) -> Iterator[tuple[npt.NDArray[np.int64], float]]:
        """Ever more candidates among the first `size` rows, each time with what the others are beyond.

        :returns: places, and the squared distance below which no row is missing.
        """
        # FAISS would cut the query's numbers off and let those out of range wrap: they are rounded here.
        code = np.clip(np.rint(query * self._scale), -_LEVELS, _LEVELS)
        off = float(np.linalg.norm(code.astype(np.float64) / self._scale - query)) + self._error
        for factor in _CANDIDATES:
            wanted = max(factor * count, _FEWEST_CANDIDATES)
            if wanted >= size:
                return
            seen = faiss.SearchParameters(sel=faiss.IDSelectorRange(0, size))  # type: ignore[call-arg]
            near, found = self._index.search(
                code[None], wanted, params=None if size == self._index.ntotal else seen
            )
            furthest = math.sqrt(float(near[0, -1])) / self._scale
            floor = max(furthest * (1.0 - _FLOAT32_SLACK) - off, 0.0)
            yield found[0], floor * floor

    def _clear(self, limit: float) -> None:
        kind = faiss.ScalarQuantizer.QT_8bit_direct_signed
        self._index = faiss.IndexScalarQuantizer(self._dim, kind, faiss.METRIC_L2)
        self._limit = limit
        self._scale = float(np.float32(_LEVELS / limit)) if limit > 0.0 else 1.0
        self._error = 0.0
