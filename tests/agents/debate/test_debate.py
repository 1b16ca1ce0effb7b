"""The full debate: its order, its evidence, its end, and what a failed turn does to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from agent_market.agents.committee import Committee, Deliberation
from agent_market.agents.debate.debate import held_reason
from agent_market.agents.roles import ROLES, role_table
from agent_market.config import AgentSettings, DebateSettings, RoleOverride
from agent_market.errors import ConfigError, ModelUnavailable
from agent_market.llm.answers.schemas import Judgement, Rebuttal, Said
from agent_market.llm.decision_context import decision_context
from agent_market.records import AgentView, Debate, DebateTurn, Evidence
from tests.helpers.agent_makers import GIVEN, market_view, recall
from tests.helpers.scripted_agents import ScriptedAgents, usual

FULL = DebateSettings(mode="full")
QUANT = replace(GIVEN["quant"], evidence=Evidence(200, 0.56, 0.49, 0.63, 1.2))


def hold(agents: ScriptedAgents, debate: DebateSettings = FULL, **settings: Any) -> Deliberation:
    committee = Committee(ROLES, agents, settings=AgentSettings(debate=debate, **settings))
    return committee.deliberate(market_view(), recall(), {**GIVEN, "quant": QUANT})


def held(deliberation: Deliberation) -> Debate:
    assert deliberation.debate is not None
    return deliberation.debate


def view_of(deliberation: Deliberation, agent: str) -> AgentView:
    return next(view for view in deliberation.views if view.agent == agent)


def test_the_protocol_is_kept_in_order() -> None:
    agents = ScriptedAgents()
    debate = held(hold(agents))
    assert [(s.agent, s.step, s.round) for s in debate.turns] == [
        ("aggressive", "proposal", 0),
        ("conservative", "objections", 0),
        ("quant", "evidence", 0),
        *((who, "rebuttal", n) for n in (1, 2, 3, 4, 5) for who in ("aggressive", "conservative")),
        ("judge", "ruling", 0),
    ]
    assert len(debate.turns[1].lines) == 5
    assert debate.turns[0].numbers == {"expected_return": 0.02}
    assert (debate.ruling, debate.ruling_confidence) == ("execute", 80)
    assert agents.steps()[:4] == [
        ("aggressive", "view"),
        ("conservative", "view"),
        ("aggressive", "proposal"),
        ("conservative", "objections"),
    ]


def test_each_speaker_reads_all_that_was_said_before_and_nothing_later() -> None:
    agents = ScriptedAgents()
    hold(agents)
    (objecting,) = agents.blocks("conservative", "objections")
    assert [turn["step"] for turn in objecting["debate"]] == ["proposal"]
    second = agents.blocks("aggressive", "rebuttal")[1]
    assert [turn["step"] for turn in second["debate"]] == [
        "proposal",
        "objections",
        "evidence",
        "rebuttal",
        "rebuttal",
    ]
    (ruling,) = agents.blocks("judge", "ruling")
    assert len(ruling["debate"]) == 13
    assert {view["agent"] for view in ruling["views"]} == {"aggressive", "conservative", "quant", "memory"}


def test_evidence_is_computed_for_the_side_of_the_proposal() -> None:
    """Three recalled cases of +1%, -2% and +4%: a long wins 2 of 3, pays 2.5 against 2."""
    evidence = held(hold(ScriptedAgents())).turns[2]
    assert evidence.numbers["recall_cases"] == 3.0
    assert evidence.numbers["recall_win_rate"] == pytest.approx(2 / 3)
    assert evidence.numbers["recall_payoff"] == pytest.approx(0.025 / 0.02)
    assert evidence.numbers["model_cases"] == 200.0
    assert evidence.numbers["model_win_rate"] == 0.56
    assert (evidence.numbers["model_low"], evidence.numbers["model_high"]) == (0.49, 0.63)

    def short(role: str, step: str, block: Mapping[str, Any]) -> Said:
        said = usual(role, step, block)
        return said.model_copy(update={"depth": -5.0}) if step == "proposal" else said

    against = held(hold(ScriptedAgents(short))).turns[2]
    assert against.numbers["recall_win_rate"] == pytest.approx(1 / 3)
    assert against.numbers["recall_payoff"] == pytest.approx(0.02 / 0.025)


def test_a_model_cannot_pass_its_own_numbers_off_as_evidence() -> None:
    def boasting(role: str, step: str, block: Mapping[str, Any]) -> Said | str:
        if step != "proposal":
            return usual(role, step, block)
        return (
            '{"depth": 6, "confidence": 0.9, "expected_return": 0.5, "belief": "b", '
            '"numbers": {"recall_win_rate": 1.0, "model_cases": 9000}, "win_rate": 0.99}'
        )

    debate = held(hold(ScriptedAgents(boasting)))
    assert debate.turns[0].numbers == {"expected_return": 0.5}
    assert debate.turns[2].numbers["model_cases"] == 200.0


def test_rounds_stop_from_the_third_on_when_depths_settle() -> None:
    def stubborn(role: str, step: str, block: Mapping[str, Any]) -> Said:
        if step == "rebuttal":
            return Rebuttal(rebuttal="no", depth=6.0 if role == "aggressive" else -4.0, confidence=0.5)
        return usual(role, step, block)

    debate = held(hold(ScriptedAgents(stubborn)))
    assert max(s.round for s in debate.turns) == 3
    assert debate.ended_reason == "no depth moved by more than 0.5 in round 3"
    assert held(hold(ScriptedAgents())).ended_reason == "all 5 rounds were held"


@pytest.mark.parametrize(("ruling", "depth"), [("execute", 1.0), ("adjust", 9.0), ("abandon", 0.0)])
def test_the_ruling_decides_the_judges_depth(ruling: str, depth: float) -> None:
    """The proposer began at 6 and gave way by 1 in each of five rounds."""

    def judging(role: str, step: str, block: Mapping[str, Any]) -> Said:
        if step == "ruling":
            return Judgement(ruling=ruling, confidence=65, depth=9.0)
        return usual(role, step, block)

    deliberation = hold(ScriptedAgents(judging))
    judge = view_of(deliberation, "judge")
    assert (judge.depth, judge.confidence) == (depth, 0.65)
    assert view_of(deliberation, "aggressive").depth == 1.0
    assert view_of(deliberation, "conservative").depth == 0.0
    assert view_of(deliberation, "conservative").reasons == ("conservative yields",)


FAILURE = ModelUnavailable("down")


def failing(role: str, step: str, number: int = 0):
    def script(who: str, at: str, block: Mapping[str, Any]) -> Said | Exception:
        rounds = 1 + sum(t["agent"] == who and t["step"] == "rebuttal" for t in block.get("debate", ()))
        if (who, at) == (role, step) and (at != "rebuttal" or rounds == number):
            return FAILURE
        return usual(who, at, block)

    return ScriptedAgents(script)


def test_without_a_proposal_the_committee_speaks_in_one_round() -> None:
    agents = failing("aggressive", "proposal")
    deliberation = hold(agents)
    assert "proposal: ModelUnavailable: down" in str(view_of(deliberation, "aggressive").abstained_reason)
    assert view_of(deliberation, "conservative").depth == -5.0, "its first view stands"
    assert agents.steps()[-1] == ("judge", "view")
    debate = held(deliberation)
    assert debate.ruling is None
    assert debate.turns[0].silent_reason == "ModelUnavailable: down"


@pytest.mark.parametrize(
    ("role", "step", "number", "ended"),
    [
        ("conservative", "objections", 0, "conservative gave no objections"),
        ("conservative", "rebuttal", 2, "conservative gave no rebuttal"),
        ("aggressive", "rebuttal", 1, "aggressive gave no rebuttal"),
    ],
)
def test_a_failed_turn_silences_its_agent_and_the_judge_rules_on_what_was_said(
    role: str, step: str, number: int, ended: str
) -> None:
    deliberation = hold(failing(role, step, number))
    silent = view_of(deliberation, role)
    assert silent.abstains
    assert silent.depth == 0.0
    assert f"{step}: ModelUnavailable: down" in str(silent.abstained_reason)
    assert held(deliberation).ended_reason == ended
    assert held(deliberation).ruling == "execute"


def test_a_judge_that_fails_abstains_and_the_debate_is_kept() -> None:
    deliberation = hold(failing("judge", "ruling"))
    assert "ruling: ModelUnavailable" in str(view_of(deliberation, "judge").abstained_reason)
    assert held(deliberation).ruling is None
    assert held(deliberation).turns[-1].silent_reason == "ModelUnavailable: down"


def test_compact_is_the_rule_and_full_where_dispersion_or_stakes_are_high() -> None:
    def views(*depths: float) -> dict[str, AgentView]:
        return {str(i): AgentView(str(i), depth, 0.5) for i, depth in enumerate(depths)}

    auto = DebateSettings(mode="auto", dispersion=0.45, stakes=0.05)
    calm = market_view({"volatility_24": 0.004})
    assert held_reason(views(2.0, -1.0, 3.0), calm, auto, 12) is None
    # Half at 5 and half at -5 lie 5 from their mean: AED 0.5.
    assert held_reason(views(5.0, -5.0), calm, auto, 12) == "dispersion 0.50, at least 0.45"
    # 8 / 10 of a move of 2% * sqrt(12).
    wild = market_view({"volatility_24": 0.02})
    assert held_reason(views(8.0, 8.0), wild, auto, 12) == "stakes 5.5%, at least 5.0%"
    assert held_reason({}, wild, auto, 12) is None
    assert held_reason(views(9.0, -9.0), wild, DebateSettings(mode="compact"), 12) is None
    assert held_reason(views(1.0), calm, FULL, 12) == "every decision is debated"


def test_a_tight_budget_speaks_in_one_round() -> None:
    agents = ScriptedAgents(tight=True)
    assert hold(agents).debate is None
    assert agents.steps() == [("aggressive", "view"), ("conservative", "view"), ("judge", "view")]


def test_an_empty_seat_means_one_round_and_full_mode_refuses_it() -> None:
    roles = role_table(AgentSettings(roles=(RoleOverride(name="conservative", enabled=False),)))
    agents = ScriptedAgents()
    auto = Committee(roles, agents, settings=AgentSettings(debate=DebateSettings(dispersion=0.0)))
    assert auto.deliberate(market_view(), recall(), GIVEN).debate is None
    with pytest.raises(ConfigError, match=r"debate\.mode"):
        Committee(roles, agents, settings=AgentSettings(debate=FULL))


def test_an_added_agent_is_heard_by_the_judge_of_a_debate() -> None:
    table = role_table(
        AgentSettings(
            roles=(RoleOverride(name="macro", temperament="You think in months.", sees=("context",)),)
        )
    )
    agents = ScriptedAgents()
    committee = Committee(table, agents, settings=AgentSettings(debate=FULL))
    deliberation = committee.deliberate(market_view(), recall(), GIVEN)
    assert view_of(deliberation, "macro").depth == 1.0
    (shown,) = agents.blocks("macro", "view")
    assert "context" in shown
    assert "recall" not in shown
    assert shown["features"] == {}
    (ruling,) = agents.blocks("judge", "ruling")
    assert "macro" in {view["agent"] for view in ruling["views"]}


def test_the_debate_is_left_on_the_open_case() -> None:
    committee = Committee(ROLES, ScriptedAgents(), settings=AgentSettings(debate=FULL))
    with decision_context("d") as case:
        committee.ask(market_view(), recall(), GIVEN)
    assert isinstance(case.debate, Debate)
    assert all(isinstance(speech, DebateTurn) for speech in case.debate.turns)


def test_two_steps_ask_for_the_belief_first_and_show_it_to_the_decision() -> None:
    agents = ScriptedAgents()
    deliberation = hold(agents, DebateSettings(mode="compact"), steps="two")
    assert agents.steps() == [
        ("aggressive", "belief"),
        ("conservative", "belief"),
        ("aggressive", "decision"),
        ("conservative", "decision"),
        ("judge", "belief"),
        ("judge", "decision"),
    ]
    (decision,) = agents.blocks("aggressive", "decision")
    assert decision["belief"] == {"belief": "aggressive believes", "reasons": ["because"]}
    assert view_of(deliberation, "aggressive").belief == "aggressive believes"
    assert view_of(deliberation, "aggressive").depth == 6.0


def test_a_failed_belief_is_an_abstention_and_no_decision_is_asked_for() -> None:
    agents = failing("aggressive", "belief")
    deliberation = hold(agents, DebateSettings(mode="compact"), steps="two")
    assert view_of(deliberation, "aggressive").abstained_reason == "ModelUnavailable: down"
    assert ("aggressive", "decision") not in agents.steps()
