"""Rows of the table `episodes`: writing them whole, reading them in order of time."""

from __future__ import annotations

import gc
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import Connection, case, func, select
from sqlalchemy.dialects import postgresql, sqlite

from agent_market.errors import StoreError
from agent_market.records import Debate, Episode
from agent_market.store.database import Database
from agent_market.store.episode_json import (
    debate_from_json,
    debate_to_json,
    outcome_to_json,
    record_from_json,
    record_to_json,
    seconds,
)
from agent_market.store.fates import fate_from, noted, refresh_fates
from agent_market.store.generations import STATE, raise_generation
from agent_market.store.schema import episodes

_KEY = ("scope", "pair", "asof")


def write_episodes(database: Database, batch: Iterable[Episode]) -> None:
    """Write whole episodes in one transaction; a row with the same (scope, pair, asof) is replaced.

    Writing the same episode twice changes nothing: an episode without outcome takes none away
    or debate from an equal row, whereas another decision at the same time starts without either.

    :raises StoreFull: no room; none of the batch was kept.
    :raises StoreError: a record cannot be written as JSON, an id is taken by another decision, or the
        database fails.
    """
    with database.begin() as connection:
        put_episodes(connection, batch)


def put_episodes(connection: Connection, batch: Iterable[Episode]) -> None:
    """`write_episodes` as part of a transaction."""
    rows = [_row(episode) for episode in batch]
    if not rows:
        return
    connection.execute(_upsert(connection.dialect.name), rows)
    for scope in sorted({row["scope"] for row in rows}):
        ids = [row["id"] for row in rows if row["scope"] == scope]
        refresh_fates(connection, scope, noted(connection, scope, ids))
    for scope, pair in sorted({(row["scope"], row["pair"]) for row in rows}):
        raise_generation(connection, scope, pair, STATE)


def read_episodes(
    database: Database, scope: str, pair: str | None = None, before: datetime | None = None
) -> list[Episode]:
    """Episodes decided before `before` (all if None), ordered by (asof, pair).

    :raises StoreError: the database fails or a row cannot be read.
    """
    query = (
        select(episodes.c.record, episodes.c.outcome)
        .where(episodes.c.scope == scope)
        .order_by(episodes.c.asof, episodes.c.pair)
    )
    if pair is not None:
        query = query.where(episodes.c.pair == pair)
    if before is not None:
        query = query.where(episodes.c.asof < math.ceil(before.timestamp()))
    with database.begin() as connection:
        rows = connection.execute(query).all()
    with collector_paused():
        return [record_from_json(scope, record, outcome) for record, outcome in rows]


def episodes_of(database: Database, scope: str, pair: str | None = None) -> tuple[Episode, ...]:
    """Every episode of a scope (of one pair, if given), ordered by (asof, pair), for reports."""
    return tuple(read_episodes(database, scope, pair))


def find_episode(database: Database, scope: str, decision_id: str) -> Episode | None:
    """Return one decision by its id; None if the scope has no such decision.

    :raises StoreError: the database fails or the row cannot be read.
    """
    query = select(episodes.c.record, episodes.c.outcome).where(
        episodes.c.scope == scope, episodes.c.id == decision_id
    )
    with database.begin() as connection:
        row = connection.execute(query).first()
    return None if row is None else record_from_json(scope, row.record, row.outcome)


def read_debate(database: Database, scope: str, decision_id: str) -> Debate | None:
    """Return the full debate of a decision; None if there was none, or no such decision.

    :raises StoreError: the database fails or the row cannot be read.
    """
    query = select(episodes.c.debate).where(episodes.c.scope == scope, episodes.c.id == decision_id)
    with database.begin() as connection:
        raw = connection.scalar(query)
    return None if raw is None else debate_from_json(raw)


def debated(database: Database, scope: str) -> frozenset[str]:
    """Return ids of the decisions of a scope that have a full debate."""
    query = select(episodes.c.id).where(episodes.c.scope == scope, episodes.c.debate.is_not(None))
    with database.begin() as connection:
        return frozenset(connection.scalars(query))


def count_episodes(database: Database) -> int:
    """Decisions of all runs in the store."""
    with database.begin() as connection:
        return int(connection.scalar(select(func.count()).select_from(episodes)) or 0)


def scopes_of(database: Database) -> tuple[str, ...]:
    """Names of all scopes that hold episodes, sorted."""
    with database.begin() as connection:
        return tuple(connection.scalars(select(episodes.c.scope).distinct().order_by(episodes.c.scope)))


@contextmanager
def collector_paused() -> Iterator[None]:
    """All that is read stays alive: to look for garbage meanwhile takes a third of the time, for none."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _row(episode: Episode) -> dict[str, Any]:
    outcome = episode.outcome
    return {
        "scope": episode.scope,
        "pair": episode.view.pair,
        "asof": seconds(episode.view.asof),
        "id": episode.id,
        "due": seconds(episode.due),
        "known_at": None if outcome is None else seconds(outcome.known_at),
        "state": np.asarray(episode.view.state, dtype="<f4").tobytes(),
        "record": record_to_json(episode),
        "outcome": None if outcome is None else outcome_to_json(outcome),
        "debate": None if episode.debate is None else debate_to_json(episode.debate),
        "depth": episode.decision.depth,
        "allowed": episode.verdict.depth,
        "action": episode.decision.action,
        "confidence": episode.decision.confidence,
        "regime": episode.view.regime,
        "market_return": None if outcome is None else outcome.market_return,
        "reward": None if outcome is None else outcome.reward(episode.verdict.depth),
        "fate": fate_from(episode.decision.action, episode.verdict.action, ()),
    }


def _upsert(dialect: str) -> Any:
    insert: Any
    if dialect == "sqlite":
        insert = sqlite.insert(episodes)
    elif dialect == "postgresql":
        insert = postgresql.insert(episodes)
    else:
        raise StoreError(f"unsupported database {dialect!r}; use a sqlite or postgresql URL in `store.url`")
    new = insert.excluded
    same = new.record == episodes.c.record
    values = {c.name: new[c.name] for c in episodes.c if c.name not in _KEY}
    for name in ("known_at", "outcome", "market_return", "reward"):
        values[name] = case((new.outcome.is_(None) & same, episodes.c[name]), else_=new[name])
    # An episode that was read back and is now settled comes without its debate.
    values["debate"] = case((new.debate.is_(None) & same, episodes.c.debate), else_=new.debate)
    # An episode forgotten by a user stays forgotten when a run writes it again.
    values["invalid_from"] = case((same, episodes.c.invalid_from), else_=None)
    values["mix"] = case((same, episodes.c.mix), else_=new.mix)
    return insert.on_conflict_do_update(index_elements=list(_KEY), set_=values)
