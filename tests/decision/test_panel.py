from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_market.config import DecisionSettings
from agent_market.decision.credit import credits
from agent_market.decision.experts import WEIGHTINGS
from agent_market.decision.panel import expert_rewards, money, vectors
from agent_market.decision.replay import Walk, fused, replay
from agent_market.errors import ConfigError, DataError
from tests.helpers.panels import PERIOD, a_panel

SETTINGS = DecisionSettings()


def weighting(name: str):
    return lambda experts: WEIGHTINGS[name](experts, SETTINGS)


def test_money_is_return_times_position_less_what_changing_it_costs() -> None:
    panel = a_panel(3, 1)
    panel = replace(panel, returns=np.array([[0.10], [-0.05], [0.02]]))
    made = money(panel, np.array([[0.5], [-0.5], [-0.5]]), cost=0.01)
    assert made[:, 0] == pytest.approx([0.05 - 0.005, 0.025 - 0.01, -0.01])


def test_rewards_are_each_experts_own_money_in_expected_deviations() -> None:
    panel = a_panel(2, 1, experts=("a", "b"))
    panel = replace(
        panel,
        depth=np.array([[[0.5, np.nan]], [[0.5, -1.0]]]),
        outcome=np.array([[0.02], [-0.01]]),
        sigma=np.full((2, 1), 0.02),
    )
    rewards = expert_rewards(panel, cost=0.004, scale=2.0)
    assert rewards[:, 0, 0] == pytest.approx([(0.01 - 0.002) / 0.04, -0.005 / 0.04])
    assert np.isnan(rewards[0, 0, 1])
    assert rewards[1, 0, 1] == pytest.approx((0.01 - 0.004) / 0.04)


def test_vectors_are_one_hot_with_confidence_and_zero_asleep() -> None:
    panel = a_panel(1, 1, experts=("up", "down", "flat", "gone"))
    panel = replace(
        panel,
        depth=np.array([[[0.3, -0.3, 0.05, np.nan]]]),
        confidence=np.array([[[0.1, 0.2, 0.3, 0.4]]]),
    )
    assert vectors(panel, SETTINGS)[0, 0] == pytest.approx(
        np.array([[1, 0, 0, 0.1], [0, 1, 0, 0.2], [0, 0, 1, 0.3], [0, 0, 0, 0]])
    )


def test_shapes_that_differ_and_time_that_runs_back_are_refused() -> None:
    panel = a_panel(4)
    with pytest.raises(DataError, match="sigma must be"):
        replace(panel, sigma=panel.sigma[:2])
    with pytest.raises(DataError, match="moments must increase"):
        panel.rows(np.array([1, 0]))


@pytest.mark.parametrize("name", sorted(WEIGHTINGS))
@pytest.mark.parametrize("pooled", [True, False])
def test_cutting_the_future_off_changes_no_weight(name, pooled) -> None:
    panel = a_panel(30, late=1).with_cash()
    how = Walk(pooled=pooled, per_regime=not pooled, cost=0.001)
    whole = replay(panel, weighting(name), how)
    for cut in (1, 7, 19):
        assert (replay(panel.rows(slice(cut)), weighting(name), how) == whole[:cut]).all()


@pytest.mark.parametrize("name", sorted(WEIGHTINGS))
def test_another_outcome_changes_nothing_before_it_is_known(name) -> None:
    panel = a_panel(30, late=2)
    other = replace(panel, outcome=np.where(np.arange(30)[:, None] == 10, 0.5, panel.outcome))
    one, two = (replay(p, weighting(name), Walk()) for p in (panel, other))
    # Decided at moment 10, known three moments later.
    assert (one[:13] == two[:13]).all()
    assert name in ("uniform", "majority") or (one[13:] != two[13:]).any()


def test_an_outcome_that_is_never_known_teaches_nothing() -> None:
    panel = a_panel(20)
    unknown = replace(panel, outcome=np.full_like(panel.outcome, np.nan))
    weights = replay(unknown, weighting("hedge"), Walk())
    awake = panel.awake / np.maximum(panel.awake.sum(-1, keepdims=True), 1)
    assert weights == pytest.approx(awake)


def test_an_outcome_known_before_its_decision_is_a_leak() -> None:
    panel = a_panel(5)
    with pytest.raises(ValueError, match="before it was made"):
        replay(replace(panel, known_at=panel.known_at - 2 * PERIOD), weighting("hedge"), Walk())


def test_pooled_learns_from_all_pairs_and_one_a_pair_from_its_own() -> None:
    panel = a_panel(40, pairs=2, asleep=0.0)
    blank = panel.outcome.copy()
    blank[:, 1] = np.nan
    panel = replace(panel, outcome=blank)
    pooled, apart = (replay(panel, weighting("hedge"), Walk(pooled=p)) for p in (True, False))
    assert np.ptp(pooled[-1, 1]) > 0.0
    assert apart[-1, 1] == pytest.approx([1 / 3] * 3)


def test_skill_is_found_and_its_opposite_too() -> None:
    panel = a_panel(400, experts=("good", "bad", "noise"), asleep=0.05)
    for name in ("hedge", "adahedge", "ml_poly", "boa", "newton", "fixed_share"):
        last = replay(panel, weighting(name), Walk())[-100:].mean(axis=(0, 1))
        assert last[0] > last[2] > last[1] - 1e-9, name


@given(st.integers(0, 10_000), st.floats(0.0, 0.01))
def test_shapley_values_add_up_to_the_money_that_all_made(seed, cost) -> None:
    panel = a_panel(12, experts=("a", "b", "c", "d"), seed=seed, asleep=0.2)
    weights = replay(panel, weighting("hedge"), Walk())
    shares = credits(panel, weights, cost, ("r0", "r1", "r2"))
    total = money(panel, fused(panel, weights), cost).sum() / len(panel.pairs)
    assert sum(share.shapley for share in shares) == pytest.approx(total, abs=1e-12)
    for share in shares:
        assert sum(share.by_regime.values()) == pytest.approx(share.shapley, abs=1e-12)
        assert sum(share.left_out_by_regime.values()) == pytest.approx(share.leave_one_out, abs=1e-12)


def test_twins_share_and_have_no_leave_one_out() -> None:
    panel = a_panel(30, experts=("one", "two"), asleep=0.0)
    panel = replace(panel, depth=np.repeat(panel.depth[..., :1], 2, axis=2))
    weights = np.full(panel.depth.shape, 0.5)
    one, two = credits(panel, weights, 0.001, ("r0", "r1", "r2"))
    assert one.shapley == pytest.approx(two.shapley)
    assert one.leave_one_out == pytest.approx(0.0, abs=1e-12)
    alone = money(panel, panel.depth[..., 0], 0.001).sum() / 2
    assert one.shapley == pytest.approx(alone / 2)


def test_two_agents_by_hand() -> None:
    # One period, +10%; a says 1, b says -1, equal weights: together flat, a alone +0.1, b alone -0.1.
    panel = a_panel(1, 1, experts=("a", "b"))
    panel = replace(panel, depth=np.array([[[1.0, -1.0]]]), returns=np.array([[0.1]]))
    a, b = credits(panel, np.full((1, 1, 2), 0.5), 0.0, ("r0", "r1", "r2"))
    assert (a.shapley, b.shapley) == pytest.approx((0.1, -0.1))
    assert (a.leave_one_out, b.leave_one_out) == pytest.approx((0.1, -0.1))


def test_too_many_agents_for_exact_values_are_refused() -> None:
    panel = a_panel(2, experts=tuple(f"a{i}" for i in range(15)))
    with pytest.raises(ConfigError, match="2\\^15"):
        credits(panel, np.ones(panel.depth.shape), 0.0, ("r0", "r1", "r2"))
