"""The committee as one table: a row per agent. Adding an agent means adding a row, never a class."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import Literal

from agent_market.config import AgentSettings, RoleOverride
from agent_market.errors import ConfigError

Source = Literal["llm", "model", "memory"]

# A role's name becomes part of column names and of stored rows.
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


@dataclass(frozen=True, slots=True)
class Role:
    """One agent.

    `source` says where its view comes from: `llm` is asked over the OpenAI protocol, `model` is the
    trained FreqAI model, `memory` the recalled cases. `stage` 1 is asked together with the others, 2
    after them and with their views. `temperament` is the paragraph of the prompt that gives an `llm`
    agent its character; other sources have none.
    """

    name: str
    source: Source
    stage: Literal[1, 2] = 1
    temperament: str = ""


AGGRESSIVE = (
    "You look for opportunity and act early. Strength that volume and trend confirm is a reason to join, "
    "not to wait. You accept drawdown on the way to a large move and raise your conviction when several "
    "independent signals agree. You still name the number that would prove you wrong, and you stay flat "
    "when nothing speaks clearly."
)

CONSERVATIVE = (
    "You protect capital first. Losses weigh about twice as much to you as gains of the same size. High or "
    "rising volatility, turbulence, deep drawdown and stretched oscillators lower your conviction; thin "
    "evidence keeps you near zero. You prefer pullbacks within a calm trend over chasing a move, and you "
    "say plainly when the danger is on the downside."
)

JUDGE = (
    "You rule after the others. You weigh each view by its evidence, not by its loudness: the quant agent "
    "is a trained model, the memory agent speaks from similar past cases, the rest argue. Where they agree "
    "for different reasons you go further; where they conflict you side with the better numbers or stay "
    "near zero. An agent that abstained counts for nothing, not for a hold."
)

ROLES: tuple[Role, ...] = (
    Role("aggressive", "llm", 1, AGGRESSIVE),
    Role("conservative", "llm", 1, CONSERVATIVE),
    Role("quant", "model", 1),
    Role("memory", "memory", 1),
    Role("judge", "llm", 2, JUDGE),
)
"""The built-in committee."""


def role_table(settings: AgentSettings) -> tuple[Role, ...]:
    """The committee that a config asks for: built-in rows with their changes, then added ones, by stage.

    An override changes only what it sets. A name that the table does not have adds an `llm` agent.

    :raises ConfigError: a name that is malformed or given twice, an added agent without temperament, a
        temperament for an agent that reads no prompt, one of those moved to stage 2, or no agent left.
    """
    names = Counter(row.name for row in settings.roles)
    for name, count in names.items():
        if not _NAME.fullmatch(name):
            raise ConfigError(
                f"bad setting `agent_market.agents.roles` name {name!r}: use lower-case letters, digits and _"
            )
        if count > 1:
            raise ConfigError(f"`agent_market.agents.roles` has {count} rows named {name!r}; merge them")
    overrides = {row.name: row for row in settings.roles}
    built_in = {role.name for role in ROLES}
    changed = [_changed(role, overrides.get(role.name)) for role in ROLES]
    added = [_added(row) for row in settings.roles if row.name not in built_in]
    table = sorted((role for role in changed + added if role is not None), key=lambda role: role.stage)
    if not table:
        raise ConfigError("`agent_market.agents.roles` disables every agent; leave at least one enabled")
    return tuple(table)


def _changed(role: Role, override: RoleOverride | None) -> Role | None:
    if override is None:
        return role
    if not override.enabled:
        return None
    if role.source != "llm" and (override.temperament is not None or override.stage != 1):
        raise ConfigError(
            f"`agent_market.agents.roles` {role.name!r} gets its view from the {role.source}, not from a "
            "prompt: it has no temperament and stays in stage 1; only `enabled` can be set"
        )
    return replace(
        role,
        stage=override.stage if "stage" in override.model_fields_set else role.stage,
        temperament=_temperament(override) if override.temperament is not None else role.temperament,
    )


def _added(override: RoleOverride) -> Role | None:
    if not override.enabled:
        return None
    return Role(override.name, "llm", override.stage, _temperament(override))


def _temperament(override: RoleOverride) -> str:
    text = (override.temperament or "").strip()
    if not text:
        raise ConfigError(
            f"`agent_market.agents.roles` {override.name!r} needs a `temperament`: the paragraph of the "
            "prompt that gives the agent its character"
        )
    return text
