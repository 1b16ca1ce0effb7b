"""A first pass over bytes loses no row of the answer, and gives way where it does not pay."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent_market.memory.index import exact, quantised
from agent_market.memory.index.quantised import ByteScan
from tests.helpers.naive_search import require_naive

pytestmark = pytest.mark.skipif(not quantised.available(), reason="needs numba and a processor with AVX2")


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "MANY_PAIRS", 1)
    monkeypatch.setattr(ByteScan, "worth_it", True)


@pytest.mark.usefixtures("always")
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 10_000),
    count=st.integers(1, 400),
    asked=st.integers(16, 80),
    dim=st.integers(1, 40),
    k=st.integers(1, 20),
    grain=st.sampled_from([0.0, 0.5, 2.0]),
    shift=st.sampled_from([0.0, 3.0, 1e3]),
    heavy=st.booleans(),
)
def test_any_batch_on_any_data_is_as_the_naive_search(
    seed: int, count: int, asked: int, dim: int, k: int, grain: float, shift: float, heavy: bool
) -> None:
    rng = np.random.default_rng(seed)
    rows, queries = rng.normal(size=(count, dim)), rng.normal(size=(asked, dim))
    if heavy:  # numbers far beyond the codes, in rows and in queries
        rows, queries = rows**5, queries**5
    if grain:  # many equal distances
        rows, queries = np.round(rows / grain) * grain, np.round(queries / grain) * grain
    sizes = rng.integers(0, count + 1, size=asked)
    require_naive((rows + shift).astype(np.float32), (queries + shift).astype(np.float32), sizes, k)


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    count=st.integers(1, 400),
    dim=st.integers(1, 200),
    wanted=st.integers(1, 20),
    reach=st.sampled_from([0.0, 0.3, 1.0, 1.2, 5.0, 1e6]),
    power=st.sampled_from([1, 3, 9]),
    outlying=st.sampled_from([0.1, 1.0, 3.0, 1e4]),
)
def test_nothing_that_is_left_out_is_nearer_whatever_distance_was_expected(
    seed: int, count: int, dim: int, wanted: int, reach: float, power: int, outlying: float
) -> None:
    rng = np.random.default_rng(seed)
    rows = (rng.normal(size=(count, dim)) ** power).astype(np.float32)
    queries = (rng.normal(size=(9, dim)) ** power * outlying).astype(np.float32)
    seen = np.sort(rng.integers(1, count + 1, size=9))
    apart = ((rows[None].astype(np.float64) - queries[:, None]) ** 2).sum(axis=2)
    near, found = ByteScan(rows, reach * float(np.sqrt(np.median(apart)))).search(queries, seen, wanted)
    for i, size in enumerate(seen.tolist()):
        expected = np.sort(apart[i, :size])[:wanted]
        np.testing.assert_allclose(near[i, : len(expected)], expected, rtol=quantised.ROUNDING)
        np.testing.assert_allclose(apart[i, found[i, : len(expected)]], expected, rtol=quantised.ROUNDING)
        assert np.isinf(near[i, len(expected) :]).all()


def test_the_usual_distance_spares_looks_and_changes_no_answer() -> None:
    rng = np.random.default_rng(6)
    rows = rng.normal(size=(20_000, 32)).astype(np.float32)
    queries = rng.normal(size=(64, 32)).astype(np.float32)
    blind, told = ByteScan(rows), ByteScan(rows, 5.0)
    answers = [scan.search(queries, np.full(64, 20_000), 12) for scan in (blind, told)]
    assert np.array_equal(answers[0][0], answers[1][0])
    assert np.array_equal(answers[0][1], answers[1][1])
    assert told._looked < 0.75 * blind._looked


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e15, 1e30])
def test_scale_does_not_matter(scale: float) -> None:
    rng = np.random.default_rng(1)
    rows = (np.cumsum(rng.normal(size=(3_000, 8)) * 0.1, axis=0) * scale).astype(np.float32)
    queries = (rows[rng.integers(0, 3_000, size=1_100)] + 0.01 * scale).astype(np.float32)
    require_naive(rows, queries, rng.integers(0, 3_001, size=len(queries)), 10)


@pytest.mark.usefixtures("always")
def test_rows_that_are_all_equal_are_ordered_by_age() -> None:
    rows, queries = np.ones((2_000, 4), dtype=np.float32), np.zeros((40, 4), dtype=np.float32)
    require_naive(rows, queries, np.full(40, 2_000), 10)


def test_a_row_ruled_out_is_further_than_the_worst_that_is_kept() -> None:
    # By hand: 8 equal rows at 0, one at (3, 4); of the query (3, 4) the nearest is at 0, all others at 5.
    rows = np.zeros((9, 2), dtype=np.float32)
    rows[8] = (3.0, 4.0)
    near, found = ByteScan(rows).search(rows[8:], np.array([9]), 2)
    assert near.tolist() == [[0.0, 25.0]]
    assert found.tolist() == [[8, 0]]


def test_fewer_rows_than_wanted_leave_room() -> None:
    rows = np.eye(3, dtype=np.float32)
    near, found = ByteScan(rows).search(rows[:2], np.array([0, 1]), 2)
    assert near.tolist() == [[math.inf, math.inf], [2.0, math.inf]]
    assert found.tolist() == [[0, 0], [0, 0]]


def test_codes_pay_where_they_rule_out_and_are_given_up_where_they_do_not() -> None:
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(20_000, 8)).astype(np.float32)
    scan = ByteScan(rows)
    scan.search(rows[:64], np.full(64, 20_000), 12)
    assert scan.worth_it
    # Nearly all is decided by numbers much smaller than one that fills the range of the codes.
    hidden = rows * np.float32(1e-3)
    hidden[:, 0] = np.where(rng.random(20_000) < 0.5, 100.0, -100.0)
    blind = ByteScan(hidden)
    blind.search(hidden[:64], np.full(64, 20_000), 12)
    assert not blind.worth_it


def test_a_batch_goes_over_to_the_other_pass_when_codes_do_not_pay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "MANY_PAIRS", 1)
    monkeypatch.setattr(quantised, "_WARM_UP", 0)
    rng = np.random.default_rng(4)
    rows = rng.normal(size=(2_000, 6)).astype(np.float32) * np.float32(1e-3)
    rows[:, 0] = np.where(rng.random(2_000) < 0.5, 100.0, -100.0)
    searched: list[int] = []
    search = ByteScan.search
    monkeypatch.setattr(
        ByteScan, "search", lambda self, *asked: searched.append(len(asked[0])) or search(self, *asked)
    )
    queries = rows[rng.integers(0, 2_000, size=3 * exact.BLOCK)]
    require_naive(rows, queries, np.full(len(queries), 2_000), 5)
    assert searched == [exact.BLOCK]


def test_small_batches_load_no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantised, "available", lambda: pytest.fail("asked for a compiler"))
    rows = np.random.default_rng(5).normal(size=(500, 4)).astype(np.float32)
    require_naive(rows, rows[:100], np.full(100, 500), 3)
