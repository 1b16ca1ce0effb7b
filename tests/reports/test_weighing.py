"""Labels name who really weighed the agents."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent_market.config import DecisionSettings
from agent_market.records import Episode
from agent_market.reports.weighting_label import weighing
from agent_market.runs.parts import parts_of
from tests.helpers.episode_makers import an_episode


def decided(*nets: tuple[str, ...]) -> list[Episode]:
    made = [an_episode(hour) for hour in range(len(nets))]
    return [replace(e, decision=replace(e.decision, nets=by)) for e, by in zip(made, nets, strict=True)]


BOTH, WEIGHTS, NONE = ("weight_net", "decision_net"), ("weight_net",), ()


@pytest.mark.parametrize(
    ("weighting", "nets", "label"),
    [
        ("hedge", (NONE, NONE), "Hedge"),
        ("ml_poly", (), "ML-Poly"),
        ("weight_net", (NONE, NONE), "AdaHedge"),
        ("weight_net", (WEIGHTS, WEIGHTS), "weight net"),
        ("weight_net", (NONE, WEIGHTS, NONE, NONE), "weight net 25%, else AdaHedge"),
        ("two_stage", (BOTH, WEIGHTS), "nets"),
        ("two_stage", (("decision_net",), NONE), "nets 50%, else AdaHedge"),
    ],
)
def test_the_label_is_of_who_decided(weighting: str, nets: tuple[tuple[str, ...], ...], label: str) -> None:
    assert weighing(decided(*nets), DecisionSettings(weighting=weighting)) == label  # type: ignore[arg-type]


def test_the_prior_of_the_settings_is_named_where_no_net_proved_itself() -> None:
    settings = DecisionSettings.model_validate({"weighting": "two_stage", "nets": {"prior": "boa"}})
    assert weighing(decided(NONE), settings) == "BOA"


def test_the_agents_row_carries_it_and_a_users_own_strategy_keeps_its_name() -> None:
    assert parts_of(("AgentMarketStrategy",), None, "nets")["AgentMarketStrategy"].label == "Agents (nets)"
    assert parts_of(("AgentMarketStrategy",))["AgentMarketStrategy"].label == "Agents"
    assert parts_of(("Mine",), None, "nets")["Mine"].label == "Mine"
