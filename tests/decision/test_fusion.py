from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_market.config import DecisionSettings
from agent_market.decision.action import action_of, action_vec
from agent_market.decision.fusion import decide, fuse
from agent_market.records import AgentView
from tests.helpers.episode_makers import a_view

VIEW = a_view(0)


def test_the_fused_depth_is_the_weighted_mean() -> None:
    fused, effective = fuse([[8.0, -4.0]], [[0.75, 0.25]])
    assert fused.tolist() == [5.0]
    assert effective.tolist() == [[0.75, 0.25]]


def test_weights_need_not_sum_to_one() -> None:
    fused, effective = fuse([[8.0, -4.0]], [[3.0, 1.0]])
    assert (fused.tolist(), effective.tolist()) == ([5.0], [[0.75, 0.25]])


def test_multipliers_scale_the_weights_and_zero_takes_an_agent_out() -> None:
    fused, effective = fuse([[8.0, -4.0], [8.0, -4.0]], [[0.5, 0.5], [0.2, 0.8]], multipliers=[3.0, 1.0])
    assert fused == pytest.approx([0.75 * 8 - 0.25 * 4, (0.6 * 8 - 0.8 * 4) / 1.4])
    assert effective[0].tolist() == [0.75, 0.25]
    assert fuse([[8.0, -4.0]], [[0.5, 0.5]], [0.0, 1.0])[0].tolist() == [-4.0]


def test_temperature_two_takes_square_roots_and_a_half_squares() -> None:
    weight = [[0.8, 0.2]]
    assert fuse([[1.0, 0.0]], weight, temperature=2.0)[0][0] == pytest.approx(2 / 3)  # 2 : 1
    assert fuse([[1.0, 0.0]], weight, temperature=0.5)[0][0] == pytest.approx(16 / 17)  # 16 : 1


def test_extreme_temperatures_end_in_the_largest_weight_or_in_equal_ones() -> None:
    weight = [[0.5, 0.3, 0.2]]
    assert fuse([[1.0, 2.0, 3.0]], weight, temperature=1e-6)[1].tolist() == [[1.0, 0.0, 0.0]]
    assert fuse([[1.0, 2.0, 3.0]], weight, temperature=1e9)[1][0] == pytest.approx([1 / 3] * 3)


def test_who_has_no_weight_or_no_depth_does_not_count() -> None:
    nan = math.nan
    depth = [[nan, 4.0], [9.0, nan], [5.0, 4.0], [5.0, 4.0], [nan, nan]]
    weight = [[0.0, 1.0], [0.5, 0.5], [0.0, 0.0], [nan, -1.0], [0.5, 0.5]]
    fused, effective = fuse(depth, weight)
    assert fused.tolist() == [4.0, 9.0, 0.0, 0.0, 0.0]
    assert effective.tolist() == [[0, 1], [1, 0], [0, 0], [0, 0], [0, 0]]


def test_no_moment_gives_no_depth() -> None:
    fused, effective = fuse(np.empty((0, 3)), np.empty((0, 3)))
    assert (fused.shape, effective.shape) == ((0,), (0, 3))


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan])
def test_a_temperature_that_is_not_positive_is_refused(temperature: float) -> None:
    with pytest.raises(ValueError, match="temperature"):
        fuse([[1.0]], [[1.0]], temperature=temperature)


def test_shapes_that_do_not_match_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(1, 2\) and \(1, 1\)"):
        fuse([[1.0, 2.0]], [[1.0]])


def test_a_decision_names_what_each_agent_weighed_and_contributed() -> None:
    views = [AgentView("quant", 6.0, 0.8), AgentView("judge", -2.0, 0.4), AgentView.abstain("memory", "new")]
    weights = {"quant": 0.5, "judge": 0.25, "memory": 0.25}
    decision = decide(VIEW, views, weights, DecisionSettings(hold_threshold=1.0), "id")
    assert decision.weights == pytest.approx({"quant": 2 / 3, "judge": 1 / 3, "memory": 0.0})
    assert decision.contributions == pytest.approx({"quant": 4.0, "judge": -2 / 3, "memory": 0.0})
    assert decision.depth == pytest.approx(10 / 3)
    assert decision.confidence == pytest.approx((2 * 0.8 + 0.4) / 3)
    assert (decision.action, decision.id, decision.asof, decision.pair) == ("buy", "id", VIEW.asof, VIEW.pair)


def test_when_every_agent_abstains_the_decision_is_an_empty_hold() -> None:
    views = [AgentView.abstain("quant", "no model"), AgentView.abstain("judge", "down")]
    decision = decide(VIEW, views, {"quant": 0.5, "judge": 0.5}, DecisionSettings(), "id")
    assert (decision.depth, decision.action, decision.confidence) == (0.0, "hold", 0.0)
    assert decision.weights == {"quant": 0.0, "judge": 0.0}
    assert decide(VIEW, [], {}, DecisionSettings(), "id").depth == 0.0


@pytest.mark.parametrize(
    ("depth", "threshold", "action"),
    [(1.0, 1.0, "buy"), (0.99, 1.0, "hold"), (-1.0, 1.0, "sell"), (0.0, 0.0, "hold"), (-0.1, 0.0, "sell")],
)
def test_a_depth_under_the_threshold_is_a_hold(depth: float, threshold: float, action: str) -> None:
    assert action_of(depth, threshold) == action
    one_hot = action_vec(depth, 0.7, threshold)
    assert one_hot == (float(action == "buy"), float(action == "sell"), float(action == "hold"), 0.7)


agent = st.tuples(st.floats(-10, 10), st.floats(0, 1) | st.just(0.0), st.booleans())
tables = st.integers(1, 12).flatmap(
    lambda n: st.lists(st.lists(agent, min_size=n, max_size=n), min_size=1, max_size=12)
)


@settings(max_examples=150, deadline=None)
@given(tables)
def test_a_column_of_decisions_agrees_with_single_ones_to_the_last_bit(table) -> None:
    n = len(table[0])
    names = [f"agent{i}" for i in range(n)]
    # In the order of columns of a data frame, as a strategy reads them.
    depth = np.asfortranarray([[d for d, _, _ in row] for row in table])
    weight = np.asfortranarray([[0.0 if asleep else w for _, w, asleep in row] for row in table])
    fused, effective = fuse(depth, weight)
    for t, row in enumerate(table):
        views = [
            AgentView.abstain(name, "asleep") if asleep else AgentView(name, d, 0.5)
            for name, (d, _, asleep) in zip(names, row, strict=True)
        ]
        weights = {name: w for name, (_, w, _) in zip(names, row, strict=True)}
        decision = decide(VIEW, views, weights, DecisionSettings(), "id")
        assert decision.depth == fused[t]
        assert list(decision.weights.values()) == effective[t].tolist()
        assert sum(decision.contributions.values()) == pytest.approx(decision.depth, abs=1e-9)
        assert -10 <= decision.depth <= 10
        assert 0 <= decision.confidence <= 1
        assert sum(decision.weights.values()) == pytest.approx(1.0 if weight[t].any() else 0.0)
