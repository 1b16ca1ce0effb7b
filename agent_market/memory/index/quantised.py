"""The first pass of a large batch: vectors rounded to a byte a number, and what may be near looked at.

With c the mean of the rows and s a step, a row x has the code r = (x - c) / s, rounded and cut to [-63, 63],
which is off by e(x) = |x - c - s r|; a query q has a code t in half steps, off by e(q).  By the triangle
inequality a row that is nearer than w, the worst that the query still keeps, has

    s |t / 2 - r| < T + e(x)  with  T = w + e(q),  so

    r . t - |r|^2 + (2 R e(x) + e(x)^2) / s^2 > |t|^2 / 4 - (T^2 + 2 (T - R) e) / s^2

for any R, where e is the greatest error of a row if T > R and else the least.  The left side but r . t is a
number of the row and the right side one of the query; with R about the usual w next to nothing is lost by
that.  All rows beyond the bound are not nearer; the distances of the others are computed in float64 at once.
Rows far off their code (their numbers are cut) are always looked at.

Codes are no longer than `_LONGEST_CODE`, so that the left side is from -3 to 1 times its square, and with
`_ROOM` for the errors fits a whole number of 16 bits.  Sums may then wrap around on the way, and no rounding
hides in them: one AVX2 instruction multiplies 32 bytes, another adds 16 sums.  That takes less than a
third of the time of a matrix product in float32.  It is worth it only where most rows are ruled out, so what
was looked at is counted.
"""

from __future__ import annotations

import importlib.util
import math
from functools import cache

import numpy as np
import numpy.typing as npt

from agent_market.utils.arrays import Floats, Ints

Rows = npt.NDArray[np.float32]
Codes = npt.NDArray[np.int32]

ROUNDING = 1e-12
"""A squared distance of `ByteScan.search` is off by less than this share of itself."""

LONGEST = 1024
"""Numbers in a row, at most: whole numbers of 32 bits hold what is summed."""

_LEVELS, _FINER, _MIDDLE = 63, 2, 127
_ROWS, _QUERIES = 32, 4
_LONGEST_CODE = 118.0
_BIAS, _ROOM = 9_100, 9_600
_ALWAYS = (1 << 15) - 1
_TYPICAL = 0.995
_SOUND_ERROR = 6.0
_TILES_IN_CACHE = 32
_AT_ONCE = 1 << 15
_WORTH_IT = 0.05
_WARM_UP = 64
_ROUNDED_UP = 1.0 + 1e-9


@cache
def available() -> bool:
    """Whether numba (extra `factors`) and a processor with AVX2 are there; `memory.index.matmul` does
    without."""
    if importlib.util.find_spec("numba") is None:
        return False
    from llvmlite import binding  # noqa: PLC0415 - half a second
    from numba import config  # noqa: PLC0415

    # With these user settings numba may not compile for the present processor.
    overridden = any(getattr(config, name) for name in ("DISABLE_JIT", "CPU_NAME", "CPU_FEATURES"))
    return not overridden and bool(binding.get_host_cpu_features().get("avx2"))


class ByteScan:
    """The codes of an array of rows."""

    def __init__(self, rows: Rows, reach: float = 0.0) -> None:
        """:param rows: (N, d) finite, C-contiguous; N at least 1, d at most `LONGEST`.
        :param reach: about how far the last neighbour of a query is; only the speed depends on it.
        """
        self._rows, self._reach = rows, reach
        count, dim = rows.shape
        self._width = -(-dim // 4) * 4
        self._centre = rows.mean(axis=0, dtype=np.float64)
        steps = np.concatenate([_step_needed(part - self._centre) for part in _parts(rows)])
        self._step = float(np.quantile(steps, _TYPICAL)) or 1.0
        tiles = -(-count // _ROWS)
        self._codes = np.empty((tiles, self._width // 2, _ROWS, 2), dtype=np.uint8)
        self._halves = np.full((tiles, _ROWS), -_ALWAYS, dtype=np.int16)
        self._least_off, self._most_off = math.inf, 0.0
        halves, at = self._halves.reshape(-1), 0
        for part in _parts(rows):
            codes, halves[at : at + len(part)] = self._coded_rows(part)
            laid = _laid_out(_every_other_turned(codes), _ROWS, 2)
            self._codes[at // _ROWS : at // _ROWS + len(laid)] = laid
            at += len(part)
        if math.isinf(self._least_off):
            self._least_off = 0.0  # every row is looked at
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
        from agent_market.memory.index.kernels import search  # noqa: PLC0415 - loading numba takes a second

        count = len(queries)
        whole = np.minimum(np.arange(-(-count // _QUERIES) * _QUERIES), count - 1)
        asked, sizes = np.ascontiguousarray(queries[whole]), np.ascontiguousarray(seen[whole])
        codes, off = self._coded(asked, _FINER)
        near = np.full((len(asked), wanted), np.inf)
        found = np.zeros((len(asked), wanted), dtype=np.int64)
        self._looked += search(
            self._codes,
            self._halves,
            _laid_out(_both_ways(codes + _MIDDLE), _QUERIES, 4),
            np.einsum("ij,ij->i", codes, codes) / _FINER**2 + _BIAS,
            off,
            np.array([self._step, self._reach, self._least_off, self._most_off]),
            self._rows,
            asked.astype(np.float64),
            sizes,
            _TILES_IN_CACHE,
            near,
            found,
        )
        self._pairs += int(sizes.sum())
        self._asked += len(asked) * wanted
        return near[:count], found[:count]

    def _coded_rows(self, rows: Rows) -> tuple[Codes, npt.NDArray[np.int16]]:
        """Codes (n, width), and all of the left side that is a row's own, as the kernel's bytes need it."""
        codes, off = self._coded(rows, 1)
        shift = np.ceil((2.0 * self._reach * off + off**2) / self._step**2 * _ROUNDED_UP)
        usual = self._step * float(np.sqrt(rows.shape[1] / 12.0))
        wild = (off > _SOUND_ERROR * usual) | (shift > _ROOM)
        codes[wild] = 0
        own = shift.clip(0, _ROOM).astype(np.int64) - np.einsum("ij,ij->i", codes, codes) + _BIAS
        # The bytes of queries are without sign, moved up by `_MIDDLE`.
        halves = np.where(wild, _ALWAYS, own) - _MIDDLE * codes.sum(axis=1)
        self._least_off = min(self._least_off, float(off[~wild].min(initial=math.inf)))
        self._most_off = max(self._most_off, float(off[~wild].max(initial=0.0)))
        return codes, halves.astype(np.int16)  # the lowest 16 bits: sums wrap around

    def _coded(self, vectors: Rows, finer: int) -> tuple[Codes, Floats]:
        """Codes (n, width), in steps of 1 / `finer`, and how far each vector is off its own."""
        apart = vectors - self._centre
        step, most = self._step / finer, _LEVELS * finer
        levels = np.rint(apart / step).clip(-most, most)
        beyond = np.linalg.norm(levels, axis=1) / (_LONGEST_CODE * finer)
        long = beyond > 1.0
        levels[long] = np.trunc(levels[long] / beyond[long, None])
        codes = np.zeros((len(vectors), self._width), dtype=np.int32)
        codes[:, : levels.shape[1]] = levels
        off: Floats = np.linalg.norm(apart - levels * step, axis=1)
        return codes, off


def _parts(rows: Rows) -> list[Rows]:
    return [rows[at : at + _AT_ONCE] for at in range(0, len(rows), _AT_ONCE)]


def _step_needed(apart: Floats) -> Floats:
    """(n,) the least step with which nothing of a vector is cut."""
    steps: Floats = np.maximum(
        np.abs(apart).max(axis=1) / _LEVELS, np.linalg.norm(apart, axis=1) / _LONGEST_CODE
    )
    return steps


# How bytes lie in `memory.index.kernels`: a register has two numbers of each of 16 rows, and what it is
# multiplied
# by is four numbers of one query, over and over, for to load them everywhere is a single step.  So rows take
# turns with whether their first two or their second two of four numbers come first.


def _every_other_turned(codes: Codes) -> Codes:
    """(n, width): of every second row, the second two of each four numbers before the first two."""
    turned = codes.reshape(len(codes), -1, 2, 2).copy()
    turned[1::2] = turned[1::2, :, ::-1]
    return turned.reshape(codes.shape)


def _both_ways(codes: Codes) -> Codes:
    """(n, 2 width): each four numbers as they are, then with the second two before the first two."""
    pairs = codes.reshape(len(codes), -1, 1, 2, 2)
    return np.concatenate([pairs, pairs[:, :, :, ::-1]], axis=2).reshape(len(codes), -1)


def _laid_out(codes: Codes, together: int, size: int) -> npt.NDArray[np.uint8]:
    """(tiles, width / size, together, size): `size` numbers of each of the vectors of a tile side by side."""
    tiles = -(-len(codes) // together)
    flat = np.zeros((tiles * together, codes.shape[1]), dtype=np.uint8)
    flat[: len(codes)] = codes.astype(np.uint8)
    return np.ascontiguousarray(flat.reshape(tiles, together, -1, size).transpose(0, 2, 1, 3))
