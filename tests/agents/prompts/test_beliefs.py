"""Opinions with a history: dated, in order, seen by their owner only, and never from the future."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_market.agents.committee import Committee
from agent_market.agents.prompts.belief_history import LOOK_BACK, DecisionHistory, past_beliefs, timeframe_s
from agent_market.agents.roles import ROLES
from agent_market.config import AgentSettings
from agent_market.errors import DataError
from agent_market.records import AgentView, Decision, Episode, Recall, RiskResult
from tests.helpers.agent_makers import ASOF, GIVEN, market_view, recall
from tests.helpers.scripted_agents import ScriptedAgents


def episode(hours_ago: int, close: float | None, *views: AgentView) -> Episode:
    view = replace(market_view(hours=-hours_ago), close=close)
    decision = Decision(f"d{hours_ago}", view.pair, view.asof, 0.0, "hold", 0.5, {}, {})
    return Episode("s", view, Recall(view.asof), views, decision, RiskResult(0.0, "hold"), view.asof)


def said(agent: str, belief: str, depth: float = 4.0, level: float | None = -0.05) -> AgentView:
    return AgentView(agent, depth, 0.7, belief, horizon=12, invalidation=level)


NOW = replace(market_view(), close=99.0)


def test_a_belief_has_an_age_and_what_happened_since() -> None:
    past = [episode(12, 110.0, said("judge", "newer")), episode(30, 90.0, said("judge", "older"))]
    newest, older = past_beliefs("judge", past, NOW, 2)
    assert (newest.view.belief, newest.age, newest.return_since) == ("newer", 12, pytest.approx(-0.1))
    assert newest.was_proved_wrong is True, "10% down against a level of 5% down"
    assert (older.age, older.return_since, older.was_proved_wrong) == (30, pytest.approx(0.1), False)


def test_a_short_is_proved_wrong_upwards_and_without_level_or_price_nothing_is_known() -> None:
    short = past_beliefs("a", [episode(5, 90.0, said("a", "s", -3.0, 0.05))], NOW, 1)
    assert short[0].was_proved_wrong is True
    no_level = past_beliefs("a", [episode(5, 90.0, said("a", "s", -3.0, None))], NOW, 1)
    no_price = past_beliefs("a", [episode(5, None, said("a", "s"))], NOW, 1)
    assert no_level[0].was_proved_wrong is None
    assert (no_price[0].return_since, no_price[0].was_proved_wrong) == (None, None)


def test_abstentions_are_no_beliefs_and_others_beliefs_are_not_shown() -> None:
    past = [
        episode(3, 100.0, AgentView.abstain("a", "down"), said("b", "b's")),
        episode(9, 90.0, said("a", "a's")),
    ]
    (found,) = past_beliefs("a", past, NOW, 3)
    assert (found.view.belief, found.age) == ("a's", 9)
    assert past_beliefs("a", past, NOW, 0) == ()


def test_a_view_that_was_carried_over_is_one_belief_of_its_own_time() -> None:
    formed = ASOF - timedelta(hours=8)
    carried = replace(said("a", "once"), asof=formed)
    past = [episode(2, 100.0, carried), episode(5, 95.0, carried), episode(8, 90.0, said("a", "once"))]
    (found,) = past_beliefs("a", past, NOW, 3)
    assert (found.age, found.return_since) == (8, pytest.approx(0.1))


@settings(max_examples=200, deadline=None)
@given(
    heard=st.lists(st.tuples(st.sampled_from("asc"), st.integers(0, 9)), max_size=LOOK_BACK),
    count=st.integers(1, 4),
)
def test_looking_no_further_back_than_needed_finds_what_looking_at_everything_does(
    heard: list[tuple[str, int]], count: int
) -> None:
    """One episode an hour: the agent abstained (a), spoke (s), or an earlier view was carried on (c)."""
    past = []
    for age, (how, since) in enumerate(heard, start=1):
        view = said("a", f"{how}{age}")
        if how == "a":
            view = AgentView.abstain("a", "down")
        elif how == "c":
            view = replace(view, asof=ASOF - timedelta(hours=age + since))
        past.append(episode(age, 100.0 + age, view))
    first: dict[int, AgentView] = {}
    for age, ((how, since), one) in enumerate(zip(heard, past, strict=True), start=1):
        if how != "a":
            first.setdefault(age + since * (how == "c"), one.views[0])
    ages = sorted(first)[:count]
    found = past_beliefs("a", past, NOW, count)
    assert [(f.view, f.age) for f in found] == [(first[age], age) for age in ages]
    returns = [None if age > len(past) else pytest.approx(99.0 / (100.0 + age) - 1.0) for age in ages]
    assert [f.return_since for f in found] == returns


def test_the_chronicle_is_the_same_whether_added_one_by_one_or_rebuilt() -> None:
    episodes = [episode(100 - i, 100.0, said("a", str(i))) for i in range(40)]
    added = DecisionHistory()
    for one in episodes:
        added.add(one)
    assert list(added) == list(DecisionHistory(reversed(episodes))) == episodes[::-1][:LOOK_BACK]


def prompts(recent: Sequence[Episode], **settings: int) -> ScriptedAgents:
    agents = ScriptedAgents()
    Committee(ROLES, agents, settings=AgentSettings(**settings)).ask(NOW, recall(), GIVEN, recent)
    return agents


def test_an_agent_is_shown_its_own_last_belief_and_only_that() -> None:
    past = [episode(12, 110.0, said("aggressive", "mine"), said("conservative", "its"))]
    agents = prompts(past)
    (shown,) = agents.blocks("aggressive", "view")
    assert shown["history"] == [
        {
            "age": 12,
            "belief": "mine",
            "depth": 4.0,
            "confidence": 0.7,
            "horizon": 12,
            "invalidation": -0.05,
            "return_since": -0.1,
            "was_proved_wrong": True,
        }
    ]
    assert "mine" not in str(agents.blocks("conservative", "view"))
    assert "history" not in agents.blocks("judge", "view")[0]
    assert all("history" not in block for block in prompts(past, beliefs=0).blocks("aggressive", "view"))


@pytest.mark.parametrize(("name", "seconds"), [("15m", 900), ("1h", 3600), ("4h", 14400), ("1d", 86400)])
def test_timeframes_in_seconds(name: str, seconds: int) -> None:
    assert timeframe_s(name) == seconds


def test_what_is_no_timeframe_is_refused() -> None:
    with pytest.raises(DataError, match="Invalid timeframe"):
        timeframe_s("hour")
