"""Which prompt an agent uses at a moment: the role table's own, or the one that was promoted by then.

A prompt has two parts that may be tuned: `belief` (who the agent is and how it looks) and `decision` (how
an outlook becomes a depth).  Its version is the hash of role and texts, so that equal prompts have equal
versions wherever they come from.  A promotion is a fact like any other: it has a `known_at`, and a decision
before that moment is made with the prompt before it, in backtests too.  A running bot takes up promotions and
withdrawals at its next candle (`books`).
"""

from __future__ import annotations

import hashlib
import logging
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache

import orjson

from agent_market.agents.roles import Role
from agent_market.config import LLMSettings
from agent_market.store.database import Database
from agent_market.store.prompts import Promotion
from agent_market.store.prompts import promotions as promotions_in
from agent_market.store.variants import EVERY_SCOPE, Mark, promotions_mark

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
class PromptSource:
    """Where a book of prompts is read again: the store, for one role table, model and scope."""

    database: Database
    roles: tuple[Role, ...]
    llm: LLMSettings
    scope: str
    mark: Mark


@dataclass(frozen=True, slots=True)
class PromptBook:
    """The role table over time: `tables[i + 1]` holds from `since[i]` on, `tables[0]` before.

    `source` is where `refreshed` looks for promotions and withdrawals; None = the book stays as it is.
    """

    tables: tuple[tuple[Role, ...], ...]
    since: tuple[datetime, ...] = ()
    source: PromptSource | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(
        cls,
        roles: Sequence[Role],
        promotions: Iterable[Promotion],
        llm: LLMSettings,
        scope: str = EVERY_SCOPE,
        source: PromptSource | None = None,
    ) -> PromptBook:
        """The table `roles` with the promotions in force, each from its `known_at` until it is withdrawn.

        A promotion for `scope` itself goes before those for every scope; those for others are left out. One
        applies only where what it replaced is in force and it was proven with the model that is asked: a
        character that was rewritten in the config, or another model, has proven nothing.  What does not apply
        is logged.

        :param promotions: of any roles, in the order in which they take force.
        """
        applicable = [
            p
            for p in promotions
            if p.scope in (EVERY_SCOPE, scope) and (p.ends is None or p.known_at < p.ends)
        ]
        moments = {p.known_at for p in applicable} | {p.ends for p in applicable if p.ends is not None}
        tables, since = [tuple(roles)], []
        problems: dict[int, tuple[Promotion, str]] = {}
        for at in sorted(moments):
            in_force = [p for p in applicable if p.known_at <= at and (p.ends is None or at < p.ends)]
            table = _table(roles, in_force, llm, problems)
            if table != tables[-1]:
                tables.append(table)
                since.append(at)
        for promotion, problem in problems.values():
            logger.warning(
                "the tuned prompt %s of agent %s is not used: %s",
                promotion.prompt.version,
                promotion.prompt.role,
                problem,
            )
        return cls(tuple(tables), tuple(since), source)

    @classmethod
    def read(
        cls, roles: Sequence[Role], database: Database, llm: LLMSettings, scope: str = EVERY_SCOPE
    ) -> PromptBook:
        """The table `roles` with what the store holds for `scope` and for every scope; can be refreshed.

        :raises StoreError: the store cannot be read, or a promoted text is damaged.
        """
        # The mark first: what comes in between is found by the next refresh.
        source = PromptSource(database, tuple(roles), llm, scope, promotions_mark(database))
        return cls.of(roles, promotions_in(database, scopes=(EVERY_SCOPE, scope)), llm, scope, source)

    def refreshed(self) -> PromptBook:
        """This book with promotions and withdrawals since; itself if there were none.

        :raises StoreError: as `read`.
        """
        source = self.source
        if source is None or promotions_mark(source.database) == source.mark:
            return self
        return PromptBook.read(source.roles, source.database, source.llm, source.scope)

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

    def digest(self, until: datetime | None = None) -> str:
        """Hash of what decisions up to `until` use (None = at any time); empty while nothing is promoted."""
        changes = [
            (at.isoformat(), *map(version_of, table))
            for at, table in zip(self.since, self.tables[1:], strict=True)
            if until is None or at <= until
        ]
        return hashlib.sha256(orjson.dumps(changes)).hexdigest()[:_DIGITS] if changes else ""


def _table(
    roles: Sequence[Role],
    in_force: Iterable[Promotion],
    llm: LLMSettings,
    problems: dict[int, tuple[Promotion, str]],
) -> tuple[Role, ...]:
    """The table under these promotions; why one does not apply is left in `problems`, by its id."""
    common = {role.name: role for role in roles}
    own: dict[str, Role] = {}
    for promotion in in_force:
        name = promotion.prompt.role
        if name not in common or common[name].source != "llm":
            continue
        held = common[name] if promotion.scope == EVERY_SCOPE else own.get(name, common[name])
        problem = _misfit(promotion, held, model_of(held, llm))
        if problem:
            problems.setdefault(promotion.id, (promotion, problem))
            continue
        tuned = with_texts(held, promotion.prompt.texts)
        (common if promotion.scope == EVERY_SCOPE else own)[name] = tuned
    return tuple(own.get(role.name, common[role.name]) for role in roles)


def _misfit(promotion: Promotion, held: Role, model: str) -> str | None:
    if version_of(held) != promotion.replaced:
        return f"it was proven against version {promotion.replaced}, and {version_of(held)} is in force"
    proven = promotion.evidence.get("model")
    return None if proven == model else f"it was proven with model {proven!r}, and {model!r} is asked"
