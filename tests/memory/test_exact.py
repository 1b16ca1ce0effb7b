"""Every pass answers as float64 arithmetic over all rows does, whatever the batch, the data and the ties."""

from __future__ import annotations

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_market.memory.index.compressed import CompressedRows
from agent_market.memory.index.exact import BLOCK, nearest_in_prefixes
from agent_market.memory.index.vectors import PointInTimeVectors
from tests.helpers.naive_search import require_naive


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    count=st.integers(0, 300),
    asked=st.integers(1, 80),
    dim=st.integers(1, 40),
    k=st.integers(1, 20),
    grain=st.sampled_from([0.0, 0.5, 2.0]),
    shift=st.sampled_from([0.0, 3.0, 1e3]),
)
def test_any_batch_on_any_data_is_as_the_naive_search(seed, count, asked, dim, k, grain, shift) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(count, dim)) + shift
    queries = rng.normal(size=(asked, dim)) + shift
    if grain:  # many equal distances
        rows, queries = np.round(rows / grain) * grain, np.round(queries / grain) * grain
    sizes = rng.integers(0, count + 1, size=asked)
    require_naive(rows.astype(np.float32), queries.astype(np.float32), sizes, k)


def test_a_backtest_of_several_blocks_is_as_the_naive_search() -> None:
    rng = np.random.default_rng(1)
    rows = np.cumsum(rng.normal(size=(3_000, 8)) * 0.1, axis=0).astype(np.float32)
    queries = rows[rng.integers(0, 3_000, size=2 * BLOCK + 17)] + np.float32(0.01)
    require_naive(rows, queries, rng.integers(0, 3_001, size=len(queries)), 10)


def test_rows_that_are_all_equal_are_ordered_by_age() -> None:
    rows, queries = np.ones((2_000, 4), dtype=np.float32), np.zeros((40, 4), dtype=np.float32)
    require_naive(rows, queries, np.full(40, 2_000), 10)


def test_distances_too_near_for_float32_are_told_apart() -> None:
    # Around 1000, products of float32 are off by more than these rows are apart.
    rows = (1_000.0 + np.arange(200)[:, None] * np.array([1e-4, 0.0])).astype(np.float32)
    queries = np.tile(rows[100], (30, 1))
    require_naive(rows, queries, np.full(30, 200), 5)


def test_the_search_leaves_the_settings_of_faiss_as_they_were() -> None:
    before = faiss.cvar.distance_compute_blas_threshold
    rows = np.random.default_rng(2).normal(size=(100, 4)).astype(np.float32)
    nearest_in_prefixes(rows, rows, np.arange(100), 3)
    assert faiss.cvar.distance_compute_blas_threshold == before


# --- the compressed first pass ----------------------------------------------------------------------------


@pytest.mark.parametrize("spread", [0.02, 1.0, 50.0])
def test_a_compressed_first_pass_proves_its_candidates_or_leaves_them(spread: float) -> None:
    rng = np.random.default_rng(4)
    centres = rng.normal(size=(20, 160)) * spread
    rows = (centres[rng.integers(0, 20, size=6_000)] + rng.normal(size=(6_000, 160)) * 0.05).astype(
        np.float32
    )
    compressed = CompressedRows(160)
    compressed.encode(rows)
    proved = 0
    for query in rows[::600] + np.float32(0.01):
        squared = np.square(rows[:5_000].astype(np.float64) - query).sum(axis=1)
        truth = np.argsort(squared, kind="stable")[:10]
        for candidates, floor in compressed.passes(query, 5_000, 10):
            assert candidates.max() < 5_000
            missing = np.setdiff1d(np.arange(5_000), candidates)
            assert squared[missing].min() >= floor
            if squared[truth[-1]] < floor:
                assert set(truth) <= set(candidates)
                proved += 1
                break
    assert proved > 0


def test_rows_beyond_the_first_range_and_late_arrivals_are_found() -> None:
    rng = np.random.default_rng(5)
    dim = 256
    vectors = rng.normal(size=(17_000, dim)).astype(np.float32)
    times = np.arange(17_000) * 2
    index = PointInTimeVectors.over(times, np.arange(17_000), vectors)
    assert index.search(vectors[:1], [10**6], 1)[1].tolist() == [[0]]
    far, late = np.full(dim, 40.0, dtype=np.float32), np.full(dim, -3.0, dtype=np.float32)
    index.add(10**6, 1, far)
    place = index.add(20_001, 2, late)
    assert place == 10_001
    assert index.search([far, late], [10**6, 10**6], 1)[1].tolist() == [[17_001], [10_001]]
    assert index.search([late], [20_000], 1)[1].tolist() != [[10_001]]
    index.remove(place)
    assert index.search([late], [10**6], 1)[0][0, 0] > 1.0
    assert index.nbytes > index.vectors.nbytes


# --- the index ---------------------------------------------------------------------------------------------


def test_an_index_over_arrays_takes_further_rows_without_touching_them() -> None:
    arrays = (np.array([1, 5, 5]), np.array([0, 0, 1]), np.eye(3, dtype=np.float32))
    for array in arrays:
        array.setflags(write=False)
    index = PointInTimeVectors.over(*arrays)
    assert index.add(5, 0, (9.0, 9.0, 9.0)) == 2
    assert index.keys.tolist() == [0, 0, 0, 1]
    assert index.search([(9.0, 9.0, 9.0)], [5], 1)[1].tolist() == [[2]]
    assert arrays[2].tolist() == np.eye(3).tolist()


def test_arrays_that_are_not_sorted_or_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="row 1 is known before"):
        PointInTimeVectors.over(np.array([2, 1]), np.zeros(2, dtype=np.int64), np.zeros((2, 3), np.float32))
    with pytest.raises(ValueError, match="2 vectors with"):
        PointInTimeVectors.over(np.array([2]), np.zeros(1, dtype=np.int64), np.zeros((2, 3), np.float32))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=30), st.data())
def test_adding_and_removing_keeps_the_order_of_a_sorted_list(rows, data) -> None:
    index, truth = PointInTimeVectors(1), []
    for number, (known_at, key) in enumerate(rows):
        place = index.add(known_at, key, [float(number)])
        truth.append((known_at, key, number))
        truth.sort()
        assert truth[place] == (known_at, key, number)
        if truth and data.draw(st.booleans()):
            place = data.draw(st.integers(0, len(truth) - 1))
            index.remove(place)
            del truth[place]
    held = zip(index.known_at.tolist(), index.keys.tolist(), index.vectors[:, 0].tolist(), strict=True)
    assert list(held) == [(known_at, key, float(n)) for known_at, key, n in truth]
