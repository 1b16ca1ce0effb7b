from __future__ import annotations

import math

import pytest

from agent_market.agents.committee import Committee
from agent_market.agents.roles import role_table
from agent_market.agents.rule_agents import (
    BREADTH_SHARE,
    FUNDING,
    MARKET_ABOVE,
    RULE_AGENTS,
    TREND_SHARE,
    rule_views,
)
from agent_market.config import AgentSettings, RoleOverride
from agent_market.llm.decision_context import decision_context
from agent_market.records import Recall
from tests.helpers.episode_makers import a_view, at
from tests.helpers.scripted import ScriptedAnswers


def test_unknown_numbers_are_abstentions_never_holds() -> None:
    assert all(view.abstains for view in rule_views({}).values())
    assert all(view.abstains for view in rule_views({TREND_SHARE: math.nan, MARKET_ABOVE: math.nan}).values())


def test_the_trend_speaks_as_deep_as_horizons_rose() -> None:
    assert rule_views({TREND_SHARE: 0.6})["trend"].depth == pytest.approx(6.0)
    flat = rule_views({TREND_SHARE: 0.0})["trend"]
    assert (flat.depth, flat.abstains) == (0.0, False)


def test_breadth_objects_to_longs_below_the_mean_and_is_silent_above_it() -> None:
    falling = rule_views({MARKET_ABOVE: 0.0, BREADTH_SHARE: 0.2})["breadth"]
    assert (falling.depth, falling.confidence) == (-10.0, 0.8)
    assert rule_views({MARKET_ABOVE: 1.0})["breadth"].abstains


def test_carry_takes_the_paid_side() -> None:
    assert rule_views({FUNDING: 0.3})["carry"].depth == pytest.approx(-10.0 * math.tanh(1.0))
    assert rule_views({FUNDING: -0.3})["carry"].depth > 0.0


class Prompts(ScriptedAnswers):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def ask(self, requests):
        self.seen += [f"{r.role}\n{r.body.decode()}" for r in requests]
        return super().ask(requests)


def prompts(settings: AgentSettings) -> list[str]:
    answers = Prompts()
    committee = Committee(role_table(settings), answers, settings=settings)
    given = rule_views({TREND_SHARE: 1.0, MARKET_ABOVE: 0.0, FUNDING: 0.2})
    with decision_context("x", 10.0):
        views = committee.ask(a_view(0), Recall(at(0)), given)
    by_name = {view.agent: view for view in views}
    for name in RULE_AGENTS:
        if name in by_name:
            assert by_name[name].depth == given[name].depth
    return sorted(answers.seen)


def test_prompts_are_the_same_to_the_byte_unless_the_evidence_is_switched_on() -> None:
    without = AgentSettings(roles=tuple(RoleOverride(name=n, enabled=False) for n in RULE_AGENTS))
    assert prompts(AgentSettings()) == prompts(without)
    shown = prompts(AgentSettings(rule_evidence=True))
    assert any("breadth" in text for text in shown if text.startswith("judge"))
