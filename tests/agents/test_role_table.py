from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from agent_market.agents.roles import ROLES, Temperament, role_table
from agent_market.agents.rule_agents import RULE_AGENTS
from agent_market.config import AgentSettings, RoleOverride
from agent_market.errors import ConfigError


def table(*rows: dict[str, Any]):
    return role_table(AgentSettings(roles=tuple(RoleOverride(**row) for row in rows)))


def test_without_overrides_the_table_is_the_built_in_one() -> None:
    assert table() == ROLES
    assert [(r.name, r.source, r.stage) for r in ROLES] == [
        ("aggressive", "llm", 1),
        ("conservative", "llm", 1),
        ("quant", "model", 1),
        ("memory", "memory", 1),
        ("trend", "rule", 1),
        ("breadth", "rule", 1),
        ("carry", "rule", 1),
        ("judge", "llm", 2),
    ]


def test_an_override_changes_only_what_it_sets() -> None:
    judge = next(r for r in table({"name": "judge", "temperament": "You are strict."}) if r.name == "judge")
    assert (judge.stage, judge.character, judge.source) == (2, "You are strict.", "llm")
    moved = next(r for r in table({"name": "judge", "stage": 1}) if r.name == "judge")
    assert (moved.stage, moved.character) == (1, ROLES[-1].character)


def test_an_added_agent_stands_before_those_of_the_second_stage() -> None:
    names = [r.name for r in table({"name": "contrarian", "temperament": "You doubt the crowd."})]
    assert names == ["aggressive", "conservative", "quant", "memory", *RULE_AGENTS, "contrarian", "judge"]


def test_a_disabled_agent_is_gone() -> None:
    assert [
        r.name for r in table({"name": "quant", "enabled": False}, {"name": "judge", "enabled": False})
    ] == [
        "aggressive",
        "conservative",
        "memory",
        *RULE_AGENTS,
    ]


@pytest.mark.parametrize(
    ("rows", "cause"),
    [
        ([{"name": "Bold One", "temperament": "x"}], "lower-case"),
        ([{"name": "contrarian"}], "needs a `temperament`"),
        ([{"name": "contrarian", "temperament": "  "}], "needs a `temperament`"),
        ([{"name": "judge", "temperament": ""}], "needs a `temperament`"),
        ([{"name": "quant", "temperament": "x"}], "has no temperament"),
        ([{"name": "memory", "stage": 2}], "stays in stage 1"),
        ([{"name": "judge"}, {"name": "judge", "enabled": False}], "2 rows named 'judge'"),
        ([{"name": r.name, "enabled": False} for r in ROLES], "leave at least one"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused_by_name(rows: list[dict[str, Any]], cause: str) -> None:
    with pytest.raises(ConfigError, match=cause):
        table(*rows)


def test_numbers_and_sight_of_an_agent_are_data_of_its_row() -> None:
    row = {"name": "contrarian", "temperament": "You doubt.", "sees": ["reversion", "news"], "optimism": -0.5}
    added = next(role for role in table(row) if role.name == "contrarian")
    assert added.sees == {"reversion", "news"}
    assert added.temperament == Temperament(optimism=-0.5)
    judge = next(role for role in table({"name": "judge", "horizon": 48, "sees": []}) if role.name == "judge")
    assert (judge.temperament.horizon, judge.sees) == (48, frozenset())
    assert judge.temperament.loss_aversion == ROLES[-1].temperament.loss_aversion


def test_numbers_outside_their_range_are_refused() -> None:
    with pytest.raises(ValidationError, match="optimism"):
        RoleOverride(name="judge", optimism=1.5)
    with pytest.raises(ValidationError, match="sees"):
        RoleOverride(name="judge", sees=("orderbook",))
