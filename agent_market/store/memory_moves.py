"""Rows of the table `memory_moves`: moves of episodes between memory layers, with time and reason.

They follow from the episodes: a run that is walked again writes them again.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete, select

from agent_market.records import Layer, Move
from agent_market.store.database import Database
from agent_market.store.schema import memory_moves
from agent_market.store.upsert import upsert_for


def write_moves(connection: Connection, scope: str, pair: str, moves: Sequence[Move], rewrite: bool) -> None:
    """Write moves of one memory within a transaction, replacing equal rows of a worker.

    :param rewrite: `moves` is the complete list; delete earlier rows first.
    """
    if rewrite:
        mine = (memory_moves.c.scope == scope) & (memory_moves.c.pair == pair)
        connection.execute(delete(memory_moves).where(mine))
    if moves:
        rows = [
            {
                "scope": scope,
                "pair": pair,
                "asof": move.asof,
                "at": move.at,
                "layer": move.layer.value,
                "importance": move.importance,
                "reason": move.reason,
            }
            for move in moves
        ]
        connection.execute(upsert_for(connection.dialect.name, memory_moves), rows)


def moves_of(database: Database, scope: str, pair: str, by: int | None = None) -> tuple[Move, ...]:
    """Return moves up to a moment (all if None), ordered by (at, asof)."""
    table = memory_moves
    query = (
        select(table.c.asof, table.c.at, table.c.layer, table.c.importance, table.c.reason)
        .where(table.c.scope == scope, table.c.pair == pair)
        .order_by(table.c.at, table.c.asof)
    )
    if by is not None:
        query = query.where(table.c.at <= by)
    with database.begin() as connection:
        return tuple(
            Move(asof, at, Layer(layer), importance, reason)
            for asof, at, layer, importance, reason in connection.execute(query)
        )
