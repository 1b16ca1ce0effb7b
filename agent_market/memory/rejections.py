"""Counts of writes that memory rejected, by scope and rule."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from agent_market.memory.gates import Refusal
from agent_market.store.database import Database
from agent_market.store.episode_json import moment, seconds
from agent_market.store.schema import refused_writes
from agent_market.store.upsert import insert_into


@dataclass(frozen=True, slots=True)
class RefusalCount:
    """Refusals of one rule in one scope (empty = notes), and the beginning of the newest."""

    scope: str
    rule: str
    count: int
    last_at: datetime
    sample: str


def count_refusal(database: Database, scope: str, refusal: Refusal, at: datetime) -> None:
    """Add one to the count of the refusal's rule."""
    statement = insert_into(database, refused_writes).values(
        scope=scope, rule=refusal.rule, count=1, last_at=seconds(at), sample=refusal.sample[:255]
    )
    new = statement.excluded
    statement = statement.on_conflict_do_update(
        index_elements=["scope", "rule"],
        set_={"count": refused_writes.c.count + 1, "last_at": new.last_at, "sample": new.sample},
    )
    with database.begin() as connection:
        connection.execute(statement)


def refusal_counts(database: Database) -> tuple[RefusalCount, ...]:
    """All counts, ordered by (scope, rule)."""
    query = select(refused_writes).order_by(refused_writes.c.scope, refused_writes.c.rule)
    with database.begin() as connection:
        rows = connection.execute(query).all()
    return tuple(RefusalCount(**{**row._mapping, "last_at": moment(row.last_at)}) for row in rows)
