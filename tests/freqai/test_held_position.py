"""What the nets are told of the position: what is held, not what was once wanted."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from agent_market.agents.prompts.belief_history import DecisionHistory
from agent_market.config import AgentMarketSettings
from agent_market.pipeline.cycle import _held
from agent_market.records import Episode, RiskResult
from tests.helpers.episode_makers import a_view, an_episode


def held(episode: Episode, hour: int, can_short: bool) -> float:
    decision_history = DecisionHistory()
    decision_history.add(episode)
    desk: Any = SimpleNamespace(
        decision_history=decision_history, settings=AgentMarketSettings(), can_short=can_short
    )
    return _held(a_view(hour), desk)


@pytest.mark.parametrize(("can_short", "position"), [(True, -4.0), (False, 0.0)])
def test_on_spot_a_short_view_is_held_as_flat(can_short: bool, position: float) -> None:
    assert held(an_episode(0, depths={"a": -4.0}), 12, can_short) == position


def test_what_risk_took_off_is_not_held() -> None:
    clamped = replace(an_episode(0, depths={"a": 8.0}), verdict=RiskResult(4.0, "buy"))
    assert held(clamped, 12, can_short=False) == 4.0


def test_an_expired_decision_holds_nothing() -> None:
    assert held(an_episode(0, depths={"a": 8.0}), 49, can_short=True) == 0.0
