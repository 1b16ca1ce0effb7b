"""The first pass of a large batch: vectors rounded to a byte a number, and what may be near looked at.

With c the mean of the rows and s a step, a vector x has the code r = (x - c) / s, rounded and cut to
[-63, 63], which is off by e(x) = |x - c - s r|.  By the triangle inequality

    |q - x| >= s |r(q) - r(x)| - e(q) - e(x),

and |r(q) - r(x)|^2 = |r(q)|^2 + |r(x)|^2 - 2 r(q) . r(x) is a whole number, so no rounding hides in it.  A
row whose bound is beyond the worst that a query still keeps is not nearer; the distances of all others are
computed in float64 at once.  Rows far off their code (their numbers are cut) are always looked at.

With 32 numbers a row that takes a third of the time of a matrix product in float32: one AVX2 instruction
multiplies 32 bytes.  It is worth it only where most rows are ruled out, so what was looked at is counted.
"""

from __future__ import annotations

import importlib.util
from functools import cache

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

ROUNDING = 1e-12
"""A squared distance of `ByteScan.search` is off by less than this share of itself."""

LONGEST = 1024
"""Numbers in a row, at most: whole numbers of 32 bits hold what is summed."""

_LEVELS, _MIDDLE = 63, 64
_LANES, _GROUP, _ROWS, _QUERIES = 8, 4, 8, 4
_FAR = 1 << 29
_TYPICAL = 0.995
_SOUND_ERROR = 1.5
_TILES_IN_CACHE = 32
_AT_ONCE = 1 << 15
_WORTH_IT = 0.05
_WARM_UP = 64


@cache
def available() -> bool:
    """Whether numba (extra `factors`) and a processor with AVX2 are there; `memory.scan` does without."""
    if importlib.util.find_spec("numba") is None:
        return False
    from llvmlite import binding  # noqa: PLC0415 - half a second
    from numba import config  # noqa: PLC0415

    # What a user told numba about compiling: then it may not compile for this very processor.
    told = any(getattr(config, name) for name in ("DISABLE_JIT", "CPU_NAME", "CPU_FEATURES"))
    return not told and bool(binding.get_host_cpu_features().get("avx2"))


class ByteScan:
    """The codes of an array of rows."""

    def __init__(self, rows: Rows) -> None:
        """:param rows: (N, d) finite, C-contiguous; N at least 1, d at most `LONGEST`."""
        self._rows = rows
        count, dim = rows.shape
        self._width = -(-dim // _LANES) * _LANES
        self._centre = rows.mean(axis=0, dtype=np.float64)
        largest = np.concatenate([np.abs(part - self._centre).max(axis=1) for part in _parts(rows)])
        self._step = float(np.quantile(largest, _TYPICAL)) / _LEVELS or 1.0
        sound = _SOUND_ERROR * self._step * float(np.sqrt(dim / 12.0))
        tiles = -(-count // _ROWS)
        self._codes = np.empty((tiles, self._width // _LANES, 2, _ROWS, _GROUP), dtype=np.uint8)
        self._halves = np.full((tiles, _ROWS), _FAR, dtype=np.int32)
        self._off = 0.0
        halves, at = self._halves.reshape(-1), 0
        for part in _parts(rows):
            codes, off = self._coded(part)
            wild = off > sound
            self._off = max(self._off, float(off[~wild].max(initial=0.0)))
            halves[at : at + len(part)] = np.where(wild, -_FAR, np.einsum("ij,ij->i", codes, codes) // 2)
            laid = _laid_out(codes + _MIDDLE, _ROWS)
            self._codes[at // _ROWS : at // _ROWS + len(laid)] = laid
            at += len(part)
        self._pairs = self._looked = self._asked = 0

    @property
    def worth_it(self) -> bool:
        """Whether codes ruled out nearly all rows so far."""
        return self._looked <= _WORTH_IT * self._pairs + _WARM_UP * self._asked

    def search(self, queries: Rows, seen: Ints, wanted: int) -> tuple[Floats, Ints]:
        """The `wanted` nearest of the first `seen[i]` rows for each query.

        :param queries: (Q, d) finite, Q at least 1. :param seen: (Q,) ascending.
        :returns: squared distances (Q, wanted), ascending, inf beyond what there is; and places, 0 there.
            A squared distance is off by at most `ROUNDING` of itself; what is left out is not nearer than
            the last one given.
        """
        from agent_market.memory.kernels import search  # noqa: PLC0415 - loading numba takes a second

        count = len(queries)
        whole = np.minimum(np.arange(-(-count // _QUERIES) * _QUERIES), count - 1)
        asked, sizes = np.ascontiguousarray(queries[whole]), np.ascontiguousarray(seen[whole])
        codes, off = self._coded(asked)
        own = np.einsum("ij,ij->i", codes, codes) + 2.0 * _MIDDLE * codes.sum(axis=1)
        near = np.full((len(asked), wanted), np.inf)
        found = np.zeros((len(asked), wanted), dtype=np.int64)
        self._looked += search(
            self._codes,
            self._halves,
            _laid_out(codes, _QUERIES).view(np.int8),
            own,
            off + self._off,
            self._step,
            self._rows,
            asked,
            sizes,
            _TILES_IN_CACHE,
            near,
            found,
        )
        self._pairs += int(sizes.sum())
        self._asked += len(asked) * wanted
        return near[:count], found[:count]

    def _coded(self, vectors: Rows) -> tuple[npt.NDArray[np.int32], Floats]:
        """Codes (n, width) and how far each vector is off its own."""
        apart = vectors - self._centre
        levels = np.rint(apart / self._step).clip(-_LEVELS, _LEVELS)
        off: Floats = np.linalg.norm(apart - levels * self._step, axis=1)
        codes = np.zeros((len(vectors), self._width), dtype=np.int32)
        codes[:, : levels.shape[1]] = levels
        return codes, off


def _parts(rows: Rows) -> list[Rows]:
    return [rows[at : at + _AT_ONCE] for at in range(0, len(rows), _AT_ONCE)]


def _laid_out(codes: npt.NDArray[np.int32], together: int) -> npt.NDArray[np.uint8]:
    """(tiles, width / 8, 2, together, 4): four numbers of each of the vectors of a tile side by side."""
    tiles = -(-len(codes) // together)
    flat = np.zeros((tiles * together, codes.shape[1]), dtype=np.uint8)
    flat[: len(codes)] = codes.astype(np.int8).view(np.uint8)
    groups = flat.reshape(tiles, together, -1, _GROUP).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(groups).reshape(tiles, -1, 2, together, _GROUP)
