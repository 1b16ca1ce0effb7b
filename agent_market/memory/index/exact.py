"""Exact nearest neighbours of many queries, each in a prefix of its own of one array.

A fast first pass finds a few more candidates than asked for; their distances are then computed again in
float64, and a bound on the error of the first pass proves that no other row can belong to the answer.  A
query without that proof is asked again by a slower pass.  So the answer is that of plain float64 arithmetic
over every row, to the last bit, however queries are batched.

Error bounds: Higham (2002), Accuracy and Stability of Numerical Algorithms, section 3.1:
a sum of n products has a relative error of at most gamma_n = n u / (1 - n u), u = 2^-24 for float32.
"""

from __future__ import annotations

import faiss
import numpy as np
import numpy.typing as npt

from agent_market.memory.index import quantised
from agent_market.memory.index.compressed import CompressedRows
from agent_market.memory.index.matmul import error, scan
from agent_market.memory.index.quantised import ByteScan
from agent_market.utils.arrays import Floats, Ints

Rows = npt.NDArray[np.float32]

BLOCK = 1024
"""Queries that share one first pass."""

MANY_PAIRS = 1 << 26
"""Pairs of query and row from which on it is worth the while to round the rows to bytes."""

_FEWEST_IN_A_BATCH = 16
_MARGIN, _BYTE_MARGIN = 6, 2
_BRUTE_FORCE_BLOCK = 4096
_SAMPLE, _APART = 32, 64
_UNIT_ROUNDOFF = 2.0**-24


def nearest_in_prefixes(
    rows: Rows, queries: Rows, sizes: Ints, k: int, compressed: CompressedRows | None = None
) -> tuple[Floats, Ints]:
    """The k rows nearest to `queries[i]` among the first `sizes[i]`, by Euclidean distance.

    :param rows: (N, d) finite, C-contiguous.
    :param queries: (Q, d) finite.
    :param sizes: (Q,) from 0 to N.
    :param compressed: a cheaper first pass over the same rows, for queries asked one by one.
    :returns: distances (Q, k) ascending, inf beyond what there is; places (Q, k), -1 there. Equal distances
        are ordered by place.
    """
    distances = np.full((len(queries), k), np.inf)
    places = np.full((len(queries), k), -1, dtype=np.int64)
    alone: Ints = np.arange(len(queries))
    if len(queries) >= _FEWEST_IN_A_BATCH:
        alone = _search_in_blocks(rows, queries, sizes, k, distances, places)
    for i in alone:
        near, found = nearest_in(rows[: sizes[i]], queries[i], k, compressed)
        distances[i, : len(near)], places[i, : len(near)] = near, found
    return distances, places


def nearest_in(
    rows: Rows, query: Rows, k: int, compressed: CompressedRows | None = None
) -> tuple[Floats, Ints]:
    """`nearest_in_prefixes` for one query among all of `rows`: distances and places, at most k of each."""
    count = min(k, len(rows))
    if count == 0:
        return np.zeros(0), np.zeros(0, dtype=np.int64)
    squared, places = _search_one(rows, query, count, compressed)
    return np.sqrt(squared), places


def squared_distances(rows: Rows, query: Rows) -> Floats:
    """(n,) squared distances in float64: the definition that every pass must agree with.

    :param rows: (..., n, d); `query` broadcasts against it.
    """
    difference = rows.astype(np.float64)
    difference -= query
    squared: Floats = np.einsum("...j,...j->...", difference, difference)
    return squared


def _search_in_blocks(
    rows: Rows, queries: Rows, sizes: Ints, k: int, distances: Floats, places: Ints
) -> Ints:
    """Fill in what is proved; returns the queries that are left, in order of their prefix.

    Queries in order of their prefix share almost all of it, so a block of them is asked at once.
    """
    order = np.argsort(sizes, kind="stable")
    left: list[Ints] = [order[:0]]
    coded = _coded(rows, queries, sizes, k)
    longest = _longest(rows)
    for start in range(0, len(order), BLOCK):
        members = order[start : start + BLOCK]
        seen = sizes[members]
        if seen[-1] == 0:
            continue
        asked = queries[members]
        if coded is not None and coded.worth_it:
            near, found = coded.search(asked, seen, k + _BYTE_MARGIN)
            doubt = 2.0 * quantised.ROUNDING * near[:, -1]
        else:
            near, found = scan(rows, asked, seen, k + _MARGIN)
            reach = np.linalg.norm(asked.astype(np.float64), axis=1) + longest[seen - 1]
            doubt = error(rows.shape[1], reach)
        exact = squared_distances(rows[found], asked[:, None, :])
        exact[~np.isfinite(near)] = np.inf
        rank = np.lexsort((found, exact), axis=-1)[:, :k]
        best = np.take_along_axis(exact, rank, axis=-1)
        complete = seen <= near.shape[1]
        with np.errstate(invalid="ignore"):  # of what is complete, the last may be infinite
            proved = complete | (best[:, -1] < near[:, -1] - doubt)
        done = members[proved]
        distances[done] = np.sqrt(best[proved])
        there = np.isfinite(best)
        places[done] = np.where(there, np.take_along_axis(found, rank, axis=-1), -1)[proved]
        left.append(members[~proved])
    return np.concatenate(left)


def _coded(rows: Rows, queries: Rows, sizes: Ints, k: int) -> ByteScan | None:
    """Rows rounded to bytes, where that pays and the machine can."""
    pays = int(sizes.sum()) >= MANY_PAIRS and rows.shape[1] <= quantised.LONGEST
    return ByteScan(rows, _usual_reach(rows, queries, sizes, k)) if pays and quantised.available() else None


def _usual_reach(rows: Rows, queries: Rows, sizes: Ints, k: int) -> float:
    """How far the last neighbour of a query is: the median over a few, in float32; 0 if unknown."""
    able = np.flatnonzero(sizes >= k)
    some = able[:: max(_APART, -(-len(able) // _SAMPLE))]
    squared = [faiss.knn(queries[i : i + 1], rows[: sizes[i]], k)[0][0, -1] for i in some]
    reach = float(np.sqrt(np.median(np.array(squared, dtype=np.float64)))) if squared else 0.0
    return reach if np.isfinite(reach) else 0.0


def _longest(rows: Rows) -> Floats:
    """(N,) the greatest length of a row up to each."""
    lengths = np.einsum("ij,ij->i", rows, rows, dtype=np.float64)
    return np.sqrt(np.maximum.accumulate(lengths)) if len(rows) else lengths


def _search_one(
    seen: Rows, query: Rows, count: int, compressed: CompressedRows | None
) -> tuple[Floats, Ints]:
    size = len(seen)
    if compressed is not None:
        for candidates, floor in compressed.passes(query, size, count):
            exact, places = _ranked(seen, query, candidates, count)
            if exact[-1] < floor:
                return exact, places
    wanted = min(count + _MARGIN, size)
    # A single query is answered by plain differences, whose error is relative to the distance itself.
    near, found = faiss.knn(query[None], seen, wanted)
    exact, places = _ranked(seen, query, found[0], count)
    if wanted == size or exact[-1] < float(near[0, -1]) * (1.0 - _gamma(seen.shape[1] + 4)):
        return exact, places
    whole = np.concatenate(
        [
            squared_distances(seen[at : at + _BRUTE_FORCE_BLOCK], query)
            for at in range(0, size, _BRUTE_FORCE_BLOCK)
        ]
    )
    order = np.argsort(whole, kind="stable")[:count]
    return whole[order], order


def _ranked(seen: Rows, query: Rows, candidates: Ints, count: int) -> tuple[Floats, Ints]:
    exact = squared_distances(seen[candidates], query)
    order = np.lexsort((candidates, exact))[:count]
    return exact[order], candidates[order]


def _gamma(n: int) -> float:
    return n * _UNIT_ROUNDOFF / (1.0 - n * _UNIT_ROUNDOFF)
