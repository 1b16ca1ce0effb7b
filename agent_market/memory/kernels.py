"""The compiled loop of `memory.byte_scan`: rows of one byte a number against four queries at a time.

Import it only where something is searched: loading numba takes a second.  It needs AVX2, whose instruction
`vpmaddubsw` multiplies 32 bytes and adds them in pairs; LLVM has no portable form of it.
"""

# Types are numba's to infer.
# mypy: disable-error-code="untyped-decorator,no-untyped-def,no-any-return,call-arg,var-annotated"

from __future__ import annotations

import math

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

ROWS, QUERIES = 8, 4
"""Rows and queries of one step: one AVX2 register holds four bytes of each of 8 rows."""

_I32, _I64 = ir.IntType(32), ir.IntType(64)
_BYTES = ir.VectorType(ir.IntType(8), 32)
_SHORTS = ir.VectorType(ir.IntType(16), 16)
_INTS = ir.VectorType(_I32, ROWS)


@intrinsic
def _beaten(typingctx, rows, halves, queries, limits, pairs):
    """Bit 8 j + i is set where row i beats the limit of query j: row . query - half > limit.

    :param rows: address of bytes without sign, (2 pairs, 8, 4): four numbers of each of 8 rows at a time.
    :param halves: address of (8,) int32.
    :param queries: address of signed bytes, (2 pairs, 4, 4): four numbers of each of 4 queries at a time.
    :param limits: address of (4,) int32.
    :param pairs: how often 8 numbers are looked at. Four products must fit an int16.
    """

    def codegen(context, builder, signature, arguments):
        rows, halves, queries, limits, pairs = arguments
        madd_bytes = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(_SHORTS, (_BYTES, _BYTES)), "llvm.x86.avx2.pmadd.ub.sw"
        )
        madd_shorts = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(_INTS, (_SHORTS, _SHORTS)), "llvm.x86.avx2.pmadd.wd"
        )
        ones = ir.Constant(_SHORTS, [1] * 16)
        lanes = ir.Constant(_INTS, [0] * ROWS)

        def load(address, kind, align):
            return builder.load(builder.inttoptr(address, kind.as_pointer()), align=align)

        def everywhere(address):
            one = builder.insert_element(ir.Constant(_INTS, ir.Undefined), load(address, _I32, 4), _I32(0))
            return builder.shuffle_vector(one, ir.Constant(_INTS, ir.Undefined), lanes)

        sums = [cgutils.alloca_once(builder, _INTS) for _ in range(QUERIES)]
        half = load(halves, _INTS, 4)
        start = builder.sub(ir.Constant(_INTS, [0] * ROWS), half)
        for held in sums:
            builder.store(start, held)
        with cgutils.for_range(builder, pairs, intp=_I64) as loop:
            row = builder.add(rows, builder.mul(loop.index, _I64(64)))
            query = builder.add(queries, builder.mul(loop.index, _I64(32)))
            first = load(row, _BYTES, 1)
            second = load(builder.add(row, _I64(32)), _BYTES, 1)
            for j, held in enumerate(sums):
                one = everywhere(builder.add(query, _I64(4 * j)))
                two = everywhere(builder.add(query, _I64(16 + 4 * j)))
                products = builder.add(
                    builder.call(madd_bytes, (first, builder.bitcast(one, _BYTES))),
                    builder.call(madd_bytes, (second, builder.bitcast(two, _BYTES))),
                )
                wide = builder.call(madd_shorts, (products, ones))
                builder.store(builder.add(builder.load(held), wide), held)
        bits = _I32(0)
        for j, held in enumerate(sums):
            limit = everywhere(builder.add(limits, _I64(4 * j)))
            above = builder.icmp_signed(">", builder.load(held), limit)
            mask = builder.zext(builder.bitcast(above, ir.IntType(8)), _I32)
            bits = builder.or_(bits, builder.shl(mask, _I32(8 * j)))
        return bits

    return types.uint32(types.intp, types.intp, types.intp, types.intp, types.intp), codegen


@intrinsic
def _lowest(typingctx, bits):
    """Place of the lowest bit that is set; `bits` is not 0."""

    def codegen(context, builder, signature, arguments):
        return builder.zext(builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1)), _I64)

    return types.int64(types.uint32), codegen


@njit(cache=True)
def _limit(worst, doubt, step, own):
    """What `row . query - half` must exceed for the row to be worth a look; see `memory.byte_scan`."""
    if math.isinf(worst):
        return -(1 << 31)
    reach = (math.sqrt(worst) + doubt) / step
    beyond = reach * reach * (1.0 + 1e-9) + 1.0
    return int(max(min(math.floor((own - beyond) / 2.0) - 1.0, 2.0e9), -2.0e9))


@njit(cache=True, fastmath={"reassoc", "contract", "nsz"})
def _squared(row, query):
    total = 0.0
    for d in range(len(row)):
        off = np.float64(row[d]) - np.float64(query[d])
        total += off * off
    return total


@njit(cache=True, nogil=True)
def search(codes, halves, asked, own, doubts, step, rows, queries, seen, chunk, near, found):
    """Fill in the nearest rows of each query: `near` (Q, wanted) squared distances and `found` places.

    :param codes: (tiles, pairs, 2, 8, 4) uint8 of the rows. :param halves: (tiles, 8) int32.
    :param asked: (fours, pairs, 2, 4, 4) int8 of the queries. :param own: (Q,) float64.
    :param doubts: (Q,) how far off a distance between codes may be, as a distance. :param step: of the codes.
    :param rows: (N, d) float32. :param queries: (Q, d) float32, Q a multiple of 4.
    :param seen: (Q,) how many rows each may see, ascending.
    :param chunk: tiles that fit the cache.
    :returns: how many rows were looked at in float64.
    """
    pairs = codes.shape[1]
    wanted = near.shape[1]
    limits = np.full(len(queries), -(1 << 31), np.int32)
    looked = 0
    stop = (seen[-1] + 7) // 8
    for begin in range(0, stop, chunk):
        for four in range(len(asked)):
            end = min(begin + chunk, (seen[4 * four + 3] + 7) // 8)
            at_query = asked[four].ctypes.data
            at_limit = limits[4 * four :].ctypes.data
            for tile in range(begin, end):
                bits = _beaten(codes[tile].ctypes.data, halves[tile].ctypes.data, at_query, at_limit, pairs)
                while bits:
                    bit = _lowest(bits)
                    bits &= bits - types.uint32(1)
                    q = 4 * four + (bit >> 3)
                    place = 8 * tile + (bit & 7)
                    if place >= seen[q]:
                        continue
                    looked += 1
                    squared = _squared(rows[place], queries[q])
                    if squared >= near[q, wanted - 1]:
                        continue
                    slot = wanted - 1
                    while slot > 0 and near[q, slot - 1] > squared:
                        near[q, slot], found[q, slot] = near[q, slot - 1], found[q, slot - 1]
                        slot -= 1
                    near[q, slot], found[q, slot] = squared, place
                    limits[q] = _limit(near[q, wanted - 1], doubts[q], step, own[q])
    return looked
