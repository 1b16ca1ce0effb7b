"""Write outcomes of single decisions while a bot may write the same ones."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from sqlalchemy import select, update

from agent_market.records import Episode, Outcome
from agent_market.store.database import Database
from agent_market.store.episode_json import outcome_to_json, record_from_json, seconds
from agent_market.store.episodes import collector_paused
from agent_market.store.generations import STATE, raise_generation
from agent_market.store.schema import episodes


def unsettled(database: Database, scope: str, pairs: Collection[str], due_by: datetime) -> list[Episode]:
    """Return decisions on `pairs` that were due by a moment and have no outcome, by (pair, asof).

    :raises StoreError: the database fails or a row cannot be read.
    """
    query = (
        select(episodes.c.record)
        .where(
            episodes.c.scope == scope,
            episodes.c.pair.in_(sorted(pairs)),
            episodes.c.outcome.is_(None),
            episodes.c.due <= seconds(due_by),
        )
        .order_by(episodes.c.pair, episodes.c.asof)
    )
    with database.begin() as connection:
        rows = connection.execute(query).all()
    with collector_paused():
        return [record_from_json(scope, row.record, None) for row in rows]


def put_outcomes(database: Database, found: Iterable[tuple[Episode, Outcome]]) -> int:
    """Write outcomes of decisions in one transaction; an existing outcome is kept.

    :returns: number of outcomes written.
    :raises StoreFull: the disk is full; none was stored.
    :raises StoreError: any other failure; none was stored.
    """
    changed: dict[tuple[str, str], int] = {}
    with database.begin() as connection:
        for episode, outcome in found:
            place = (episode.scope, episode.view.pair)
            statement = (
                update(episodes)
                .where(
                    episodes.c.scope == place[0],
                    episodes.c.pair == place[1],
                    episodes.c.id == episode.id,
                    episodes.c.outcome.is_(None),
                )
                .values(
                    outcome=outcome_to_json(outcome),
                    known_at=seconds(outcome.known_at),
                    market_return=outcome.market_return,
                    reward=outcome.reward(episode.verdict.depth),
                )
            )
            changed[place] = changed.get(place, 0) + connection.execute(statement).rowcount
        for (scope, pair), count in sorted(changed.items()):
            if count:
                raise_generation(connection, scope, pair, STATE)
    return sum(changed.values())
