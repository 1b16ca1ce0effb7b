"""The compiled loop of `memory.index.quantised`: rows of one byte a number against four queries at a time.

Import it only where something is searched: loading numba takes a second.  It needs AVX2, whose instruction
`vpmaddubsw` multiplies 32 bytes and adds them in pairs; LLVM has no portable form of it.
"""

# Types are numba's to infer.
# mypy: disable-error-code="untyped-decorator,no-untyped-def,no-any-return,call-arg,var-annotated"

from __future__ import annotations

import functools
import math

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

ROWS, QUERIES = 32, 4
"""Rows and queries of one step: two AVX2 registers hold two bytes of each of 32 rows."""

_I16, _I32, _I64 = ir.IntType(16), ir.IntType(32), ir.IntType(64)
_BYTES = ir.VectorType(ir.IntType(8), 32)
_SHORTS = ir.VectorType(_I16, 16)
_PAIRS = ir.VectorType(_I32, 8)
_LEAST = -(1 << 15)
_MOST = (1 << 15) - 2


@intrinsic
def _beaten(typingctx, rows, halves, queries, limits, pairs, masks):
    """Whether any of 32 rows beats the limit of any of 4 queries: row . query + half > limit.

    Sums wrap around as whole numbers of 16 bits do, so only what they come to must fit.

    :param rows: address of signed bytes, (pairs, 32, 2): two numbers of each of 32 rows at a time; of rows
        with odd places the second two of four numbers come before the first two.
    :param halves: address of (32,) int16.
    :param queries: address of bytes without sign, (pairs, 4, 4): four numbers of each of 4 queries, then the
        same with the second two before the first two.
    :param limits: address of (4,) int16.
    :param pairs: how often 2 numbers are looked at. Two products must fit an int16.
    :param masks: address of (4,) uint32: where any is beaten, bit i of number j says row i beats query j.
    """

    def codegen(context, builder, signature, arguments):
        rows, halves, queries, limits, pairs, masks = arguments
        madd_bytes = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(_SHORTS, (_BYTES, _BYTES)), "llvm.x86.avx2.pmadd.ub.sw"
        )
        both = ir.Constant(ir.VectorType(_I32, 32), list(range(32)))

        def load(address, kind, align):
            return builder.load(builder.inttoptr(address, kind.as_pointer()), align=align)

        def everywhere(address, kind):
            undefined = ir.Constant(kind, ir.Undefined)
            one = builder.insert_element(undefined, load(address, kind.element, 2), _I32(0))
            lanes = ir.Constant(ir.VectorType(_I32, kind.count), [0] * kind.count)
            return builder.shuffle_vector(one, undefined, lanes)

        def multiply(query, row):
            return builder.call(madd_bytes, (query, row))

        first = load(halves, _SHORTS, 2)
        second = load(builder.add(halves, _I64(32)), _SHORTS, 2)
        sums = [[cgutils.alloca_once(builder, _SHORTS) for _ in range(2)] for _ in range(QUERIES)]
        for held in sums:
            builder.store(first, held[0])
            builder.store(second, held[1])
        with cgutils.for_range(builder, pairs, intp=_I64) as loop:
            row = builder.add(rows, builder.mul(loop.index, _I64(64)))
            query = builder.add(queries, builder.mul(loop.index, _I64(16)))
            parts = [load(row, _BYTES, 1), load(builder.add(row, _I64(32)), _BYTES, 1)]
            for j, held in enumerate(sums):
                one = builder.bitcast(everywhere(builder.add(query, _I64(4 * j)), _PAIRS), _BYTES)
                for part, total in zip(parts, held, strict=True):
                    builder.store(builder.add(builder.load(total), multiply(one, part)), total)
        above = []
        for j, held in enumerate(sums):
            limit = everywhere(builder.add(limits, _I64(2 * j)), _SHORTS)
            above.append([builder.icmp_signed(">", builder.load(total), limit) for total in held])
        one_or_other = functools.reduce(builder.or_, [one for two in above for one in two])
        found = builder.icmp_unsigned("!=", builder.bitcast(one_or_other, _I16), _I16(0))
        with builder.if_then(found, likely=False):
            for j, two in enumerate(above):
                mask = builder.bitcast(builder.shuffle_vector(two[0], two[1], both), _I32)
                at = builder.inttoptr(builder.add(masks, _I64(4 * j)), _I32.as_pointer())
                builder.store(mask, at, align=4)
        return found

    return types.boolean(*[types.intp] * 6), codegen


@intrinsic
def _lowest(typingctx, bits):
    """Place of the lowest bit that is set; `bits` is not 0."""

    def codegen(context, builder, signature, arguments):
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), codegen


@njit(cache=True)
def _limit(worst, doubt, own, scale):
    """What `row . query + half` must exceed for the row to be worth a look; see `memory.index.quantised`."""
    if math.isinf(worst):
        return _LEAST
    step, usual, least_off, most_off = scale
    reach = math.sqrt(worst) + doubt
    more = reach - usual
    beyond = reach * reach + 2.0 * more * (most_off if more > 0.0 else least_off)
    limit = np.floor(own - beyond / (step * step) * (1.0 + 1e-9)) - 1.0
    return int(max(min(limit, _MOST), _LEAST))


@njit(cache=True, fastmath={"reassoc", "contract", "nsz"})
def _squared(row, query):
    total = 0.0
    for d in range(len(row)):
        off = np.float64(row[d]) - query[d]
        total += off * off
    return total


@njit(cache=True)
def _keep(near, found, squared, place):
    """Put a row in its place among the nearest; returns the worst of them."""
    slot = len(near) - 1
    while slot > 0 and near[slot - 1] > squared:
        near[slot], found[slot] = near[slot - 1], found[slot - 1]
        slot -= 1
    near[slot], found[slot] = squared, place
    return near[-1]


@njit(cache=True, nogil=True)
def search(codes, halves, asked, own, doubts, scale, rows, queries, seen, chunk, near, found):
    """Fill in the nearest rows of each query: `near` (Q, wanted) squared distances and `found` places.

    :param codes: (tiles, pairs, 32, 2) uint8 of the rows. :param halves: (tiles, 32) int16.
    :param asked: (fours, pairs, 4, 4) uint8 of the queries. :param own: (Q,) |t|^2 / 4 of their codes.
    :param doubts: (Q,) how far each query is off its code.
    :param scale: (4,) the step of the codes, the usual distance, the least and the greatest error of a row.
    :param rows: (N, d) float32. :param queries: (Q, d) float64, Q a multiple of 4.
    :param seen: (Q,) how many rows each may see, ascending.
    :param chunk: tiles that fit the cache.
    :returns: how many rows were looked at in float64.
    """
    limits = np.full(len(queries), _LEAST, np.int16)
    worst = np.full(len(queries), np.inf)
    masks = np.zeros(QUERIES // 2, np.uint64)
    places, askers = np.empty((2, chunk * ROWS * QUERIES), np.int64)
    squared, before = np.empty(chunk * ROWS * QUERIES), np.empty(QUERIES)
    steps = (scale[0], scale[1], scale[2], scale[3])
    looked = 0
    stop = (seen[-1] + ROWS - 1) // ROWS
    begin, end = 0, 1
    while begin < stop:
        for four in range(len(asked)):
            first = QUERIES * four
            count = 0
            for tile in range(begin, min(end, (seen[first + QUERIES - 1] + ROWS - 1) // ROWS)):
                if not _beaten(
                    codes[tile].ctypes.data,
                    halves[tile].ctypes.data,
                    asked[four].ctypes.data,
                    limits[first:].ctypes.data,
                    codes.shape[1],
                    masks.ctypes.data,
                ):
                    continue
                for two in range(QUERIES // 2):
                    bits = masks[two]
                    while bits:
                        bit = _lowest(bits)
                        bits &= bits - types.uint64(1)
                        places[count], askers[count] = ROWS * tile + (bit & 31), first + 2 * two + (bit >> 5)
                        count += 1
            looked += count
            # All distances first, for they do not wait for each other.
            for c in range(count):
                there = places[c] < seen[askers[c]]
                squared[c] = _squared(rows[places[c]], queries[askers[c]]) if there else np.inf
            before[:] = worst[first : first + QUERIES]
            for c in range(count):
                q = askers[c]
                if squared[c] < worst[q]:
                    worst[q] = _keep(near[q], found[q], squared[c], places[c])
            for q in range(first, first + QUERIES):
                if worst[q] < before[q - first]:
                    limits[q] = _limit(worst[q], doubts[q], own[q], steps)
        # Limits fall fastest at the beginning, so they are updated sooner there.
        begin, end = end, end + min(chunk, 1 + end // 2)
    return looked
