"""Which prompt an agent uses at a moment: the role table's own, or the one that was promoted by then.

A prompt has two parts that may be tuned: `belief` (who the agent is and how it looks) and `decision` (how
an outlook becomes a depth).  Its version is the hash of role and texts, so that equal prompts have equal
versions wherever they come from.  A promotion is a fact like any other: it has a `known_at`, and a decision
before that moment is made with the prompt before it, in backtests too.
"""

from __future__ import annotations

import hashlib
import logging
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache

import orjson

from agent_market.agents.roles import Role
from agent_market.config import LLMSettings
from agent_market.store.prompts import Promotion

logger = logging.getLogger(__name__)

BELIEF = "belief"
DECISION = "decision"
PARTS = (BELIEF, DECISION)

_DIGITS = 16


def texts_of(role: Role) -> dict[str, str]:
    """The tuned parts of a role's prompt, by name."""
    return {BELIEF: role.character, DECISION: role.discipline}


def with_texts(role: Role, texts: Mapping[str, str]) -> Role:
    """The role with the parts of its prompt replaced by `texts`; a part that is missing stays."""
    return replace(
        role,
        character=texts.get(BELIEF, role.character),
        discipline=texts.get(DECISION, role.discipline),
    )


def prompt_version(role: str, texts: Mapping[str, str]) -> str:
    """The version of a prompt: the first 16 hex digits of the sha256 of role and texts."""
    packed = orjson.dumps([role, dict(texts)], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(packed).hexdigest()[:_DIGITS]


@lru_cache(maxsize=256)
def version_of(role: Role) -> str | None:
    """The version of the prompt that `role` holds; None for an agent that reads none."""
    return prompt_version(role.name, texts_of(role)) if role.source == "llm" else None


def model_of(role: Role, llm: LLMSettings) -> str:
    """Name of the model that the role is asked through."""
    return llm.deep.model if role.tier == "deep" and llm.deep is not None else llm.model


@dataclass(frozen=True, slots=True)
class PromptBook:
    """The role table over time: `tables[i + 1]` holds from `since[i]` on, `tables[0]` before."""

    tables: tuple[tuple[Role, ...], ...]
    since: tuple[datetime, ...] = ()

    @classmethod
    def of(cls, roles: Sequence[Role], promotions: Iterable[Promotion], llm: LLMSettings) -> PromptBook:
        """The table `roles` with the promotions that stand, each from its `known_at` on.

        One applies only where what it replaced is in force and it was proven with the model that is asked: a
        character that was rewritten in the config, or another model, has proven nothing.  What does not apply
        is logged.

        :param promotions: of any roles, in the order in which they take force.
        """
        tables, since = [tuple(roles)], []
        for promotion in promotions:
            if promotion.withdrawn_at is not None:
                continue
            held = next((r for r in tables[-1] if r.name == promotion.prompt.role), None)
            if held is None or held.source != "llm":
                continue
            problem = _misfit(promotion, held, model_of(held, llm))
            if problem:
                logger.warning(
                    "the tuned prompt %s of agent %s is not used: %s",
                    promotion.prompt.version,
                    held.name,
                    problem,
                )
                continue
            tuned = with_texts(held, promotion.prompt.texts)
            tables.append(tuple(tuned if r.name == held.name else r for r in tables[-1]))
            since.append(promotion.known_at)
        return cls(tuple(tables), tuple(since))

    def index(self, asof: datetime) -> int:
        """Which of `tables` a decision at `asof` uses."""
        return bisect_right(self.since, asof) if self.since else 0

    def at(self, asof: datetime) -> tuple[Role, ...]:
        """The role table of a decision at `asof`."""
        return self.tables[self.index(asof)]

    @property
    def newest(self) -> tuple[Role, ...]:
        """The role table of decisions from the newest promotion on."""
        return self.tables[-1]

    @property
    def digest(self) -> str:
        """What stands in it, as a hash: empty while nothing is promoted."""
        if not self.since:
            return ""
        packed = [
            (at.isoformat(), *map(version_of, t)) for at, t in zip(self.since, self.tables[1:], strict=True)
        ]
        return hashlib.sha256(orjson.dumps(packed)).hexdigest()[:_DIGITS]


def _misfit(promotion: Promotion, held: Role, model: str) -> str | None:
    if version_of(held) != promotion.replaced:
        return f"it was proven against version {promotion.replaced}, and {version_of(held)} is in force"
    proven = promotion.evidence.get("model")
    return None if proven == model else f"it was proven with model {proven!r}, and {model!r} is asked"
