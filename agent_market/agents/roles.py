"""The committee as one table: a row per agent. Adding an agent means adding a row, never a class."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, fields, replace
from typing import Literal, get_args

from agent_market.agents.rule_agents import RULE_AGENTS
from agent_market.config import AgentSettings, FactorGroup, RoleOverride, Tier
from agent_market.errors import ConfigError

Source = Literal["llm", "model", "memory", "rule"]

# A role's name becomes part of column names and of stored rows.
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")

ALL_GROUPS: frozenset[FactorGroup] = frozenset(get_args(FactorGroup))


@dataclass(frozen=True, slots=True)
class Temperament:
    """Character as numbers, for the prompt.

    `optimism` in [-1, 1], `rationality` and `risk_appetite` in [0, 1], `horizon` in candles, `loss_aversion`
    in [1, 10]: how many times a loss weighs as much as a gain of its size.
    """

    optimism: float = 0.0
    rationality: float = 0.8
    risk_appetite: float = 0.5
    horizon: int = 12
    loss_aversion: float = 1.5


@dataclass(frozen=True, slots=True)
class Role:
    """One agent.

    `source` says where its view comes from: `llm` is asked over the OpenAI protocol, `model` is the
    trained FreqAI model, `memory` the recalled cases, `rule` arithmetic on candles (`agents.rule_agents`).
    `stage` 1 is asked together with the others, 2 after them and with their views. `character` is the
    paragraph of the prompt that says who an `llm` agent is, `discipline` the one that says how its outlook
    becomes a depth, `temperament` its character as numbers, and `sees` the factor groups that its prompt
    holds; other sources have none of these. `tier` says whether it asks the fast model or, where there is
    one, the deep one.
    """

    name: str
    source: Source
    stage: Literal[1, 2] = 1
    character: str = ""
    temperament: Temperament = Temperament()
    sees: frozenset[FactorGroup] = ALL_GROUPS
    discipline: str = ""
    tier: Tier = "fast"


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

DISCIPLINE = (
    "Depth is how far the evidence speaks for one side after costs, not how much you would like it to. Small "
    "edges are small depths; what you cannot see is a reason for less."
)

ROLES: tuple[Role, ...] = (
    Role(
        "aggressive",
        "llm",
        1,
        AGGRESSIVE,
        Temperament(optimism=0.4, rationality=0.6, risk_appetite=0.8, horizon=24, loss_aversion=1.2),
        frozenset({"trend", "volatility", "volume", "news", "memory"}),
        DISCIPLINE,
    ),
    Role(
        "conservative",
        "llm",
        1,
        CONSERVATIVE,
        Temperament(optimism=-0.2, rationality=0.9, risk_appetite=0.25, horizon=12, loss_aversion=2.25),
        frozenset({"trend", "reversion", "volatility", "context", "news", "memory"}),
        DISCIPLINE,
    ),
    Role("quant", "model", 1),
    Role("memory", "memory", 1),
    *(Role(name, "rule", 1) for name in RULE_AGENTS),
    Role(
        "judge",
        "llm",
        2,
        JUDGE,
        Temperament(rationality=1.0, loss_aversion=1.0),
        ALL_GROUPS,
        DISCIPLINE,
        "deep",
    ),
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
    asked_for = {key for key in override.model_fields_set if getattr(override, key) is not None}
    if role.source != "llm" and asked_for - {"name", "enabled"} and not _is_stage_1_only(override):
        raise ConfigError(
            f"`agent_market.agents.roles` {role.name!r} gets its view from the {role.source}, not from a "
            "prompt: it has no temperament and stays in stage 1; only `enabled` can be set"
        )
    return replace(
        role,
        stage=override.stage if "stage" in override.model_fields_set else role.stage,
        character=_character(override) if override.temperament is not None else role.character,
        temperament=_temperament(role.temperament, override),
        sees=role.sees if override.sees is None else frozenset(override.sees),
        tier=override.tier or role.tier,
    )


def _is_stage_1_only(override: RoleOverride) -> bool:
    return override.model_fields_set <= {"name", "enabled", "stage"} and override.stage == 1


def _added(override: RoleOverride) -> Role | None:
    if not override.enabled:
        return None
    sees = ALL_GROUPS if override.sees is None else frozenset(override.sees)
    temperament = _temperament(Temperament(), override)
    tier = override.tier or "fast"
    return Role(
        override.name, "llm", override.stage, _character(override), temperament, sees, DISCIPLINE, tier
    )


def _temperament(base: Temperament, override: RoleOverride) -> Temperament:
    given = {trait.name: getattr(override, trait.name) for trait in fields(Temperament)}
    return replace(base, **{name: value for name, value in given.items() if value is not None})


def _character(override: RoleOverride) -> str:
    text = (override.temperament or "").strip()
    if not text:
        raise ConfigError(
            f"`agent_market.agents.roles` {override.name!r} needs a `temperament`: the paragraph of the "
            "prompt that gives the agent its character"
        )
    return text
