"""Prompt versions, and which of them is in force when: variants of the slots `prompt/<role>`.

Nothing is overwritten or deleted; a promotion that is withdrawn leaves its row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import select

from agent_market.errors import StoreError
from agent_market.store.database import Database
from agent_market.store.schema import variants
from agent_market.store.variants import (
    EVERY_SCOPE,
    Variant,
    VariantPromotion,
    promote_variant,
    promotions_of,
    save_variant,
    withdraw_promotion,
)

SLOT = "prompt/"
DIGITS = 16
"""A version is so many first digits of its variant's id."""


@dataclass(frozen=True, slots=True)
class StoredPrompt:
    """One version of one role's prompt: the text of each tuned part by name, and what it was varied from.

    `version` is the first 16 hex digits of the sha256 of the canonical JSON of `[role, texts]`.
    """

    version: str
    role: str
    texts: Mapping[str, str]
    parent: str | None

    def variant(self) -> Variant:
        """This version as a variant of its role's slot.

        :raises ValueError: `version` is not the hash of role and texts.
        """
        parents = () if self.parent is None else (self.parent,)
        made = Variant(f"{SLOT}{self.role}", [self.role, dict(self.texts)], parents, "tune-prompts")
        if made.id[:DIGITS] != self.version:
            raise ValueError(
                f"the prompt of {self.role!r} has version {made.id[:DIGITS]}, not {self.version}"
            )
        return made


@dataclass(frozen=True, slots=True)
class Promotion:
    """A version that decides from `known_at` on: no decision before that moment sees it.

    `evidence` is what it was promoted on, `scope` the run or bot it is for ("" = all). `withdrawn_at` is the
    wall clock of its withdrawal, None while it stands; decisions from `withdrawn_from` on do without it.
    """

    id: int
    prompt: StoredPrompt
    replaced: str
    known_at: datetime
    evidence: Mapping[str, Any]
    withdrawn_at: datetime | None = None
    withdrawn_from: datetime | None = None
    withdrawn_reason: str = ""
    scope: str = EVERY_SCOPE

    @property
    def ends(self) -> datetime | None:
        """First moment that does without it; None while it stands."""
        return self.withdrawn_at if self.withdrawn_from is None else self.withdrawn_from


def save_prompt(database: Database, prompt: StoredPrompt) -> None:
    """Keep a version; one that is there stays as it is, for its name is the hash of its content.

    :raises StoreError: the store cannot be written.
    """
    save_variant(database, prompt.variant())


def promote(
    database: Database,
    prompt: StoredPrompt,
    replaced: str,
    known_at: datetime,
    evidence: Mapping[str, Any],
    scope: str = EVERY_SCOPE,
) -> None:
    """Put `prompt` in force for its role from `known_at` on.

    :param known_at: when the last outcome that speaks for it was known.
    :param scope: the run or bot that it is for; "" = every one.
    """
    promote_variant(database, prompt.variant(), replaced, known_at, evidence, scope)


def roll_back(
    database: Database,
    role: str,
    scope: str = EVERY_SCOPE,
    reason: str = "",
    since: datetime | None = None,
) -> Promotion | None:
    """Withdraw the newest promotion of `role` in `scope` that stands; None without one.

    :param since: first moment that does without it; None withdraws it for decisions at any time.
    """
    found = promotions_of(database, f"{SLOT}{role}", (scope,))
    standing = [p for p in found if p.slot == f"{SLOT}{role}" and p.withdrawn_at is None]
    if not standing:
        return None
    newest = standing[-1]
    withdraw_promotion(database, newest.id, reason, newest.known_at if since is None else since)
    try:
        return _promotion(newest)
    except StoreError:  # a damaged text can still be withdrawn
        return _without_texts(newest)


def promotions(
    database: Database, role: str | None = None, scopes: Iterable[str] | None = None
) -> tuple[Promotion, ...]:
    """All promotions (of one role), withdrawn ones too, in the order in which they take force.

    :param scopes: only those for these runs or bots; None takes all.
    :raises StoreError: the store cannot be read, or a row is damaged.
    """
    found = promotions_of(database, SLOT if role is None else f"{SLOT}{role}", scopes)
    return tuple(_promotion(p) for p in found if role is None or p.slot == f"{SLOT}{role}")


def read_prompt(database: Database, version: str) -> StoredPrompt | None:
    """Return the version with that name; None if the store has none."""
    query = select(variants).where(
        variants.c.slot.startswith(SLOT, autoescape=True),
        variants.c.id.startswith(version, autoescape=True),
    )
    with database.begin() as connection:
        row = connection.execute(query).first()
    if row is None:
        return None
    parents = orjson.loads(row.parents)
    return _prompt(row.id, row.slot, row.body, parents[0] if parents else None)


def _promotion(found: VariantPromotion) -> Promotion:
    parent = found.parents[0] if found.parents else None
    return _described(found, _prompt(found.variant, found.slot, found.body, parent))


def _without_texts(found: VariantPromotion) -> Promotion:
    return _described(found, StoredPrompt(found.variant[:DIGITS], found.slot[len(SLOT) :], {}, None))


def _described(found: VariantPromotion, prompt: StoredPrompt) -> Promotion:
    return Promotion(
        id=found.id,
        prompt=prompt,
        replaced=found.replaced,
        known_at=found.known_at,
        evidence=found.evidence,
        withdrawn_at=found.withdrawn_at,
        withdrawn_from=found.withdrawn_from,
        withdrawn_reason=found.withdrawn_reason,
        scope=found.scope,
    )


def _prompt(variant: str, slot: str, body: bytes, parent: str | None) -> StoredPrompt:
    role = slot[len(SLOT) :]
    try:
        _, texts = orjson.loads(body)
        read = {str(part): str(text) for part, text in texts.items()}
    except (orjson.JSONDecodeError, AttributeError, TypeError, ValueError) as error:
        raise StoreError(
            f"prompt version {variant[:DIGITS]} of role {role!r} is damaged ({error}); take it back with "
            f"`agent-market tune-prompts --rollback --role {role}`"
        ) from error
    return StoredPrompt(variant[:DIGITS], role, read, parent)
