"""Variants and promotions: what may be in force in a slot, and which of them is, for whom and from when.

A *variant* is a JSON value under its content address. A *slot* names what it may stand in for, as
`prompt/aggressive`. A *promotion* puts a variant in force for one scope ("" = every scope) from `known_at`
on; withdrawing it ends that. Rows are added and withdrawn, never changed otherwise and never deleted.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from agent_market.store.database import Database
from agent_market.store.episode_json import moment, seconds
from agent_market.store.schema import promotions, variants

EVERY_SCOPE = ""
"""Scope of promotions that hold for every run and bot."""


def variant_id(body: Any) -> str:
    """Content address of a variant: the sha256 of its canonical JSON (sorted keys), as 64 hex digits."""
    return hashlib.sha256(canonical_json(body)).hexdigest()


def canonical_json(body: Any) -> bytes:
    """`body` as JSON with sorted keys and no spaces; equal values have equal bytes."""
    return orjson.dumps(body, option=orjson.OPT_SORT_KEYS)


@dataclass(frozen=True, slots=True)
class Variant:
    """One value that may be in force in `slot`, what it was derived from (ids), and what made it."""

    slot: str
    body: Any
    parents: tuple[str, ...] = ()
    origin: str = ""

    @property
    def id(self) -> str:
        """Content address of `body`."""
        return variant_id(self.body)


@dataclass(frozen=True, slots=True)
class VariantPromotion:
    """One row of `promotions` with the raw JSON of its variant.

    In force for decisions with `known_at <= asof < ends`. `withdrawn_at` is the wall clock of its
    withdrawal, `withdrawn_from` the first moment that no longer uses it; both are None while it stands.
    """

    id: int
    scope: str
    slot: str
    variant: str
    body: bytes
    parents: tuple[str, ...]
    replaced: str
    share: float
    known_at: datetime
    evidence: Mapping[str, Any] = field(default_factory=dict)
    withdrawn_at: datetime | None = None
    withdrawn_from: datetime | None = None
    withdrawn_reason: str = ""


Mark = tuple[int, int]
"""How many promotions there are, and how many of them are withdrawn: differs whenever either changed."""


def save_variant(database: Database, variant: Variant) -> None:
    """Store a variant; one that is there already stays as it is.

    :raises StoreError: the store cannot be written.
    """
    with database.begin() as connection:
        _insert_variant(connection, database, variant)


def promote_variant(
    database: Database,
    variant: Variant,
    replaced: str,
    known_at: datetime,
    evidence: Mapping[str, Any],
    scope: str = EVERY_SCOPE,
    share: float = 1.0,
) -> None:
    """Store a variant and put it in force from `known_at` on, in one transaction.

    :param replaced: what is in force before, as it names itself; the promotion was proven against it.
    :param known_at: timezone-aware; no decision before it uses the variant.
    :param evidence: JSON-ready figures that it was promoted on.
    :param share: share of the slot that it takes, in (0, 1]; 1 where only one variant can be in force.
    :raises StoreError: the store cannot be written; then neither row is there.
    """
    row = {
        "scope": scope,
        "slot": variant.slot,
        "variant": variant.id,
        "replaced": replaced,
        "share": share,
        "known_at": seconds(known_at),
        "evidence": canonical_json(dict(evidence)),
        "created_at": int(time.time()),
        "withdrawn_reason": "",
    }
    with database.begin() as connection:
        _insert_variant(connection, database, variant)
        connection.execute(promotions.insert().values(row))


def withdraw_promotion(
    database: Database, promotion: int, reason: str = "", since: datetime | None = None
) -> bool:
    """End a promotion; True if this call did it, False if it was withdrawn before.

    :param since: first moment that no longer uses it; None = now, so that earlier decisions keep it.
    """
    now = datetime.now(UTC)
    with database.begin() as connection:
        done = connection.execute(
            update(promotions)
            .where(promotions.c.id == promotion, promotions.c.withdrawn_at.is_(None))
            .values(
                withdrawn_at=seconds(_whole_second(now)),
                withdrawn_from=seconds(_whole_second(now if since is None else since)),
                withdrawn_reason=reason[:255],
            )
        )
    return bool(done.rowcount)


def promotions_of(
    database: Database, prefix: str, scopes: Iterable[str] | None = None
) -> tuple[VariantPromotion, ...]:
    """All promotions of slots whose names start with `prefix`, withdrawn ones too, by (known_at, id).

    :param scopes: only those of these scopes; None takes all.
    :raises StoreError: the store cannot be read.
    """
    query = (
        select(promotions, variants.c.body, variants.c.parents)
        .join(variants, (variants.c.slot == promotions.c.slot) & (variants.c.id == promotions.c.variant))
        .where(promotions.c.slot.startswith(prefix, autoescape=True))
        .order_by(promotions.c.known_at, promotions.c.id)
    )
    if scopes is not None:
        query = query.where(promotions.c.scope.in_(sorted(set(scopes))))
    with database.begin() as connection:
        rows = connection.execute(query).all()
    return tuple(map(_promotion, rows))


def promotions_mark(database: Database) -> Mark:
    """What tells whether any promotion was added or withdrawn; one scan of a small index.

    Counts, and not the highest id: on PostgreSQL a lower id may be committed after a higher one.
    """
    query = select(func.count(), func.count(promotions.c.withdrawn_at)).select_from(promotions)
    with database.begin() as connection:
        total, withdrawn = connection.execute(query).one()
    return int(total), int(withdrawn)


def _whole_second(at: datetime) -> datetime:
    """The next whole second: a candle that closed earlier in this one was decided on before `at`."""
    return at if at.microsecond == 0 else at.replace(microsecond=0) + timedelta(seconds=1)


def _insert_variant(connection: Connection, database: Database, variant: Variant) -> None:
    insert = postgresql.insert if database.engine.dialect.name == "postgresql" else sqlite.insert
    row = {
        "slot": variant.slot,
        "id": variant.id,
        "body": canonical_json(variant.body),
        "parents": canonical_json(list(variant.parents)),
        "origin": variant.origin,
        "created_at": int(time.time()),
    }
    connection.execute(insert(variants).values(row).on_conflict_do_nothing(index_elements=["slot", "id"]))


def _promotion(row: Any) -> VariantPromotion:
    return VariantPromotion(
        id=row.id,
        scope=row.scope,
        slot=row.slot,
        variant=row.variant,
        body=row.body,
        parents=tuple(orjson.loads(row.parents)),
        replaced=row.replaced,
        share=row.share,
        known_at=moment(row.known_at),
        evidence=orjson.loads(row.evidence),
        withdrawn_at=None if row.withdrawn_at is None else moment(row.withdrawn_at),
        withdrawn_from=None if row.withdrawn_from is None else moment(row.withdrawn_from),
        withdrawn_reason=row.withdrawn_reason,
    )
