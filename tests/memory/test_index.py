from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_market.memory.index.vectors import PointInTimeIndex

# Few distinct values, so that equal times, equal vectors and equal distances are common.
facts = st.lists(
    st.tuples(st.integers(0, 8), st.tuples(*[st.integers(-2, 2)] * 3), st.integers(0, 3)), max_size=60
)


def filled(rows: list[tuple[int, tuple[int, ...], int]]) -> PointInTimeIndex[int]:
    index = PointInTimeIndex[int](3)
    for number, (known_at, vector, order) in enumerate(rows):
        index.add(known_at, vector, number, order)
    return index


@settings(max_examples=200, deadline=None)
@given(facts, st.tuples(*[st.integers(-2, 2)] * 3), st.integers(-1, 9), st.integers(1, 20))
def test_a_search_is_the_sorted_truth_about_what_was_known(facts, query, asof, k) -> None:
    distances, items = filled(facts).search([query], [asof], k)
    truth = sorted(
        (math.dist(query, vector), known_at, order, number)
        for number, (known_at, vector, order) in enumerate(facts)
        if known_at <= asof
    )[:k]
    assert items[0] == [number for *_, number in truth]
    assert distances[0] == pytest.approx([distance for distance, *_ in truth], rel=1e-6)


@settings(max_examples=100, deadline=None)
@given(facts, st.tuples(*[st.integers(-2, 2)] * 3), st.integers(-1, 9), st.integers(1, 20))
def test_cutting_the_future_off_changes_no_answer(facts, query, asof, k) -> None:
    cut = filled([row if row[0] <= asof else (99, row[1], row[2]) for row in facts])
    past = [row for row in facts if row[0] <= asof]
    whole, without = filled(facts), filled(past)
    numbers = [n for n, row in enumerate(facts) if row[0] <= asof]
    assert whole.search([query], [asof], k) == cut.search([query], [asof], k)
    distances, items = without.search([query], [asof], k)
    assert (distances, [[numbers[n] for n in items[0]]]) == whole.search([query], [asof], k)
    assert whole.known(asof) == tuple(numbers[n] for n in without.known(asof))


def test_a_batch_answers_as_its_queries_one_by_one_do() -> None:
    rng = np.random.default_rng(3)
    vectors, queries = rng.normal(size=(700, 17)), rng.normal(size=(64, 17))
    index = PointInTimeIndex[int](17)
    for n, vector in enumerate(vectors):
        index.add(n, vector, n)
    asofs = rng.integers(0, 700, size=64)
    batch = index.search(queries, asofs, 9)
    single = [index.search(queries[i : i + 1], asofs[i : i + 1], 9) for i in range(64)]
    assert batch == ([d[0] for d, _ in single], [i[0] for _, i in single])


@pytest.mark.parametrize("k", [3, 16, 150, 499])
def test_equal_distances_are_ordered_and_cut_by_age(k: int) -> None:
    index = PointInTimeIndex[str](2)
    for known_at in reversed(range(500)):
        index.add(known_at, (1.0, 0.0), f"known at {known_at}")
    _, items = index.search([(0.0, 0.0)], [400], k)
    assert items == [[f"known at {known_at}" for known_at in range(min(k, 401))]]


def test_late_arrivals_take_their_place_beyond_the_first_capacity() -> None:
    rng = np.random.default_rng(5)
    times = rng.permutation(2_000)
    index = PointInTimeIndex[int](4)
    for known_at in times.tolist():
        index.add(known_at, (known_at, 0.0, 0.0, 0.0), known_at)
    assert len(index) == 2_000
    assert index.known(1_234) == tuple(range(1_235))
    assert index.search([(1_500.0, 0.0, 0.0, 0.0)], [1_234], 3)[1] == [[1_234, 1_233, 1_232]]


def test_nothing_known_gives_nothing() -> None:
    index = PointInTimeIndex[int](2)
    assert index.search([(0.0, 0.0)], [10], 5) == ([[]], [[]])
    index.add(11, (0.0, 0.0), 1)
    assert index.search([(0.0, 0.0)], [10], 5) == ([[]], [[]])


@pytest.mark.parametrize("vector", [(1.0,), (1.0, float("nan")), (1.0, float("inf"))])
def test_a_vector_of_wrong_length_or_without_numbers_is_refused(vector) -> None:
    index = PointInTimeIndex[int](2)
    with pytest.raises(ValueError, match=r"shape|finite"):
        index.add(0, vector, 0)
    with pytest.raises(ValueError, match=r"shape|finite"):
        index.search([vector], [0], 1)
    assert len(index) == 0
