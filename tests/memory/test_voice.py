from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_market.agents.memory_agent import memory_awake, memory_depth, memory_view
from agent_market.config import MemorySettings
from agent_market.records import Neighbour, Recall
from tests.helpers.episode_makers import at

K = 16


def a_recall(returns: list[float]) -> Recall:
    return Recall(at(99), tuple(Neighbour(f"e{n}", at(0), at(1), float(n), r) for n, r in enumerate(returns)))


def test_depth_is_ten_tanh_of_half_the_t_statistic() -> None:
    # mean 0.02; deviations -0.01, 0, 0.01, 0 -> s^2 = 2e-4 / 3, standard error = sqrt(s^2 / 4)
    view = memory_view(a_recall([0.01, 0.02, 0.03, 0.02]), MemorySettings())
    t = 0.02 / math.sqrt(2e-4 / 3 / 4)
    assert view.depth == pytest.approx(10 * math.tanh(t / 2))
    assert view.confidence == 1.0
    assert not view.abstains


def test_confidence_is_the_share_that_went_the_way_of_the_mean() -> None:
    view = memory_view(a_recall([0.04, -0.01, 0.03, 0.0]), MemorySettings())
    assert view.confidence == 0.5
    assert 0 < view.depth < 10


def test_mirrored_outcomes_give_the_mirrored_depth() -> None:
    returns = [0.01, -0.002, 0.03, 0.004, 0.0]
    up, down = (memory_view(a_recall([s * r for r in returns]), MemorySettings()) for s in (1, -1))
    assert down.depth == -up.depth
    assert down.confidence == up.confidence


def test_too_few_known_outcomes_are_an_abstention_with_its_cause_and_no_hold() -> None:
    view = memory_view(a_recall([0.1, 0.1, 0.1]), MemorySettings(min_neighbours=4))
    assert view.abstained_reason == "3 known outcomes, 3 used; needs 4"
    assert memory_view(Recall(at(0)), MemorySettings()).abstains


def test_a_single_neighbour_has_no_deviation_so_memory_abstains() -> None:
    settings = MemorySettings(k=1, min_neighbours=1)
    assert memory_view(a_recall([0.1]), settings).abstains
    assert memory_view(a_recall([0.1, 0.2]), settings).abstains
    assert memory_view(a_recall([0.1, 0.2]), settings, k=2).depth > 0


def test_equal_returns_give_the_limit_and_zeros_give_zero() -> None:
    depth, confidence = memory_depth(np.array([[0.01] * 4, [-0.01] * 4, [0.0] * 4]), np.full(3, 4), 4, 2)
    assert depth.tolist() == [10.0, -10.0, 0.0]
    assert confidence.tolist() == [1.0, 1.0, 0.0]


def test_what_stands_beyond_the_count_is_not_read() -> None:
    returns = np.array([[0.01, 0.03, np.nan, np.nan], [0.01, 0.03, 99.0, -99.0]])
    depth, _ = memory_depth(returns, np.array([2, 2]), 4, 2)
    assert depth[0] == depth[1] > 0
    depth, confidence = memory_depth(returns, np.array([np.nan, 1]), 4, 2)
    assert depth.tolist() == confidence.tolist() == [0.0, 0.0]
    assert memory_awake([np.nan, 1, 2], 2).tolist() == [False, False, True]


returns_lists = st.lists(
    st.floats(-0.5, 2.0, allow_subnormal=False) | st.sampled_from([0.0, -0.0, 0.01, -0.01]), max_size=K
)


@settings(max_examples=100, deadline=None)
@given(st.lists(returns_lists, min_size=1, max_size=12), st.integers(1, K), st.integers(1, 6))
def test_the_columns_agree_with_single_views_to_the_last_bit(rows, k, min_neighbours) -> None:
    columns = np.full((len(rows), K), np.nan)
    for t, row in enumerate(rows):
        columns[t, : len(row)] = row
    counts = np.array([len(row) for row in rows])
    depth, confidence = memory_depth(columns, counts, k, min_neighbours)
    settings_ = MemorySettings(k=max(k, min_neighbours), k_max=K, min_neighbours=min_neighbours)
    for t, row in enumerate(rows):
        view = memory_view(a_recall(row), settings_, k=k)
        assert (view.depth, view.confidence) == (depth[t], confidence[t])
        assert type(view.depth) is type(view.confidence) is float
        assert -10 <= view.depth <= 10
        assert 0 <= view.confidence <= 1
