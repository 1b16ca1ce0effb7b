from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_market.config import RiskSettings
from agent_market.records import Clamp, Decision, RiskResult
from agent_market.risk.limits import LIMITS, limit_depth
from tests.helpers.episode_makers import a_view, an_episode

SETTINGS = RiskSettings(max_depth=6.0, turbulence_limit=0.9, drawdown_limit=0.25)
CALM = {"turbulence_percentile": 0.5, "drawdown": 0.1}
STORM = {"turbulence_percentile": 0.95, "drawdown": 0.4}


def a_decision(depth: float) -> Decision:
    return replace(an_episode(0).decision, depth=depth)


def verdict_of(depth: float, features: dict[str, float], hold_threshold: float = 1.0) -> RiskResult:
    return limit_depth(a_decision(depth), a_view(0, features=features), SETTINGS, hold_threshold)


def test_a_depth_within_all_limits_passes_unchanged() -> None:
    assert verdict_of(5.0, CALM) == RiskResult(5.0, "buy", ())
    assert verdict_of(-6.0, STORM) == RiskResult(-6.0, "sell", ())


def test_the_ceiling_holds_on_both_sides() -> None:
    assert verdict_of(9.0, CALM) == RiskResult(6.0, "buy", (Clamp("max_depth", 6.0, 9.0, 9.0, 6.0),))
    assert verdict_of(-9.0, CALM) == RiskResult(-6.0, "sell", (Clamp("max_depth", 6.0, 9.0, -9.0, -6.0),))


def test_each_limit_that_binds_is_recorded_in_order_with_what_it_saw_and_did() -> None:
    assert verdict_of(8.0, STORM) == RiskResult(
        1.5,
        "buy",
        (
            Clamp("max_depth", 6.0, 8.0, 8.0, 6.0),
            Clamp("turbulence_limit", 0.9, 0.95, 6.0, 3.0),
            Clamp("drawdown_limit", 0.25, 0.4, 3.0, 1.5),
        ),
    )


def test_a_value_at_its_limit_is_not_beyond_it() -> None:
    assert verdict_of(4.0, {"turbulence_percentile": 0.9, "drawdown": 0.25}).clamps == ()


def test_a_cut_can_turn_a_buy_into_a_hold_and_says_so() -> None:
    verdict = verdict_of(1.5, {**CALM, "drawdown": 0.3})
    assert verdict == RiskResult(0.75, "hold", (Clamp("drawdown_limit", 0.25, 0.3, 1.5, 0.75),))


def test_a_value_that_is_not_known_binds_nothing() -> None:
    assert verdict_of(5.0, {}) == RiskResult(5.0, "buy", ())


@pytest.mark.parametrize("depth", [math.nan, math.inf])
def test_a_depth_that_is_no_number_is_never_let_through(depth: float) -> None:
    with pytest.raises(ValueError, match="must not be traded"):
        verdict_of(depth, CALM)


share = st.floats(0, 1)
features = st.fixed_dictionaries({}, optional={"turbulence_percentile": share, "drawdown": share})


@given(
    st.floats(-10, 10),
    features,
    st.floats(0.01, 10),
    st.floats(0.01, 1),
    st.floats(0.01, 1),
    st.floats(0, 9.9),
)
def test_risk_never_adds_to_a_depth_nor_turns_it_and_leaves_a_trace_of_every_change(
    depth, known, max_depth, turbulence, drawdown, hold
) -> None:
    limits = RiskSettings(max_depth=max_depth, turbulence_limit=turbulence, drawdown_limit=drawdown)
    verdict = limit_depth(a_decision(depth), a_view(0, features=known), limits, hold)
    assert abs(verdict.depth) <= min(abs(depth), max_depth)
    assert verdict.depth * depth >= 0
    steps = [depth, *[clamp.after for clamp in verdict.clamps]]
    assert [clamp.before for clamp in verdict.clamps] == steps[:-1]
    assert verdict.depth == steps[-1]
    assert all(c.value > c.threshold and abs(c.after) < abs(c.before) for c in verdict.clamps)
    names = [limit.name for limit in LIMITS]
    assert [c.limit for c in verdict.clamps] == sorted({c.limit for c in verdict.clamps}, key=names.index)
    small = abs(verdict.depth) < hold or verdict.depth == 0
    assert verdict.action == ("hold" if small else "buy" if verdict.depth > 0 else "sell")
