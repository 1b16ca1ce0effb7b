"""Importance, forgetting curve and rank against numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_market.config import ImportanceWeights, RankWeights
from agent_market.memory.decay import retained, retention
from agent_market.memory.importance import (
    importance,
    importances,
    rank_share,
    rank_shares,
    surprise,
    usefulness,
)
from agent_market.memory.ranking import best, scores

EQUAL = ImportanceWeights()
shares = st.floats(0.0, 1.0) | st.just(math.nan)


def test_surprise_is_the_chance_that_a_normal_error_is_smaller() -> None:
    # No view, a move of one expected deviation: the 68% of the 68-95-99.7 rule.
    assert surprise(0.02, 0.02, depth=0.0) == pytest.approx(0.6827, abs=5e-5)
    assert surprise(-0.04, 0.02, depth=0.0) == pytest.approx(0.9545, abs=5e-5)
    # Full depth expects one deviation: no surprise when it comes, two deviations off when it is the reverse.
    assert surprise(0.02, 0.02, depth=10.0) == 0.0
    assert surprise(-0.02, 0.02, depth=10.0) == pytest.approx(0.9545, abs=5e-5)


def test_without_an_expected_deviation_surprise_is_unknown_and_with_none_at_all_any_move_is_one() -> None:
    assert surprise(0.02, None, depth=0.0) is None
    assert (surprise(0.02, 0.0, 0.0), surprise(0.0, 0.0, 0.0)) == (1.0, 0.0)


def test_a_rank_is_the_middle_of_its_ties() -> None:
    among = [1.0, 2.0, 2.0, 5.0]
    # 1: none below, one equal -> 0.5 / 4.  2: one below, two equal -> 2 / 4.  5: three below -> 3.5 / 4.
    assert rank_shares(np.array([1.0, 2.0, 5.0]), among).tolist() == [0.125, 0.5, 0.875]
    assert [rank_share(v, among) for v in (0.0, 9.0)] == [0.0, 1.0]
    assert math.isnan(rank_share(1.0, []))
    assert math.isnan(rank_share(math.nan, among))


def test_usefulness_starts_at_a_half_and_follows_laplace() -> None:
    assert usefulness(0.0, 0.0) == 0.5
    assert usefulness(7.0, 7.0) == 8 / 9
    assert usefulness(0.0, 2.0) == 0.25


def test_importance_is_one_to_ten_over_the_weighted_mean_of_what_is_known() -> None:
    assert importance(1.0, 1.0, 1.0, 1.0, EQUAL) == 10.0
    assert importance(0.0, 0.0, 0.0, 0.0, EQUAL) == 1.0
    # (0.75 + 0.5 + 0.25 + 0.5) / 4 = 0.5
    assert importance(0.75, 0.5, 0.25, 0.5, EQUAL) == 5.5
    # Rarity unknown: (0.9 + 0.3 + 0.6) / 3 = 0.6 -> 6.4
    assert importance(0.9, 0.3, math.nan, 0.6, EQUAL) == pytest.approx(6.4)
    # Weights 3, 1, 0, 0: (3 * 0.8 + 0.4) / 4 = 0.7 -> 7.3
    weights = ImportanceWeights(surprise=3, size=1, rarity=0, usefulness=0)
    assert importance(0.8, 0.4, 0.1, 0.1, weights) == pytest.approx(7.3)
    assert importance(math.nan, 0.4, 0.1, 0.1, ImportanceWeights(size=0, rarity=0, usefulness=0)) == 5.5


@given(st.lists(st.tuples(shares, shares, shares, shares), min_size=1, max_size=20))
def test_many_at_once_are_as_one_by_one_to_the_last_bit(rows) -> None:
    weights = ImportanceWeights(surprise=0.3, size=1.7, rarity=0.9, usefulness=0.1)
    together = importances(*(np.array(column) for column in zip(*rows, strict=True)), weights)
    assert together.tolist() == [importance(*row, weights) for row in rows]


@given(st.lists(st.integers(0, 9).map(float), max_size=12), st.lists(st.integers(0, 9).map(float)))
def test_many_ranks_at_once_are_as_one_by_one(among, values) -> None:
    among.sort()
    np.testing.assert_array_equal(
        rank_shares(np.array(values), among), [rank_share(value, among) for value in values]
    )


def test_half_is_left_after_a_half_life_and_importance_falls_towards_one() -> None:
    assert retention([0.0, 90.0, 180.0, -5.0], 90.0).tolist() == pytest.approx([1.0, 0.5, 0.25, 1.0])
    # 1 + (9 - 1) / 4 after two half-lives; for ever where nothing decays.
    assert retained(9.0, 180.0, 90.0) == pytest.approx(3.0)
    assert retained(9.0, 1e12, math.inf) == 9.0


def test_the_rank_score_is_the_weighted_sum_of_likeness_freshness_and_importance() -> None:
    weights = RankWeights(similarity=1.0, recency=0.5, importance=0.25)
    # A state of 4 numbers at distance 2 differs by 1 per number: likeness e^-1.
    got = scores(np.array([2.0]), 4, np.array([0.5]), np.array([5.5]), weights)
    assert got[0] == pytest.approx(math.exp(-1.0) + 0.5 * 0.5 + 0.25 * 0.5)


def test_an_important_memory_can_outrank_a_nearer_one_but_not_without_its_weight() -> None:
    distance, recency, weight = np.array([0.5, 0.8]), np.ones(2), np.array([1.0, 10.0])
    by_all = scores(distance, 4, recency, weight, RankWeights(importance=0.2))
    by_likeness = scores(distance, 4, recency, weight, RankWeights(recency=0, importance=0))
    # e^-0.25 = 0.779 against e^-0.4 = 0.670 + 0.2
    assert (best(by_all, 1).tolist(), best(by_likeness, 1).tolist()) == ([1], [0])


@given(st.lists(st.integers(0, 4).map(float), max_size=30), st.integers(1, 40))
def test_the_best_are_in_order_and_ties_in_order_of_age(values, count) -> None:
    expected = sorted(range(len(values)), key=lambda i: (-values[i], i))[:count]
    assert best(np.array(values), count).tolist() == expected
