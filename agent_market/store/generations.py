"""How often the vectors of one memory were written, so that an index file can tell whether it is current.

Every transaction that changes vectors raises the generation in the same transaction: a file made at a
generation holds exactly what the database held then, whatever was killed in between.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from agent_market.store.schema import memory_generations

STATE = "state"
"""Kind of the market states in the table `episodes`; other kinds are those of `episode_vectors`."""


def raise_generation(connection: Connection, scope: str, pair: str, kind: str) -> None:
    """Count one more change to the vectors of a memory, as part of the transaction that makes it."""
    table = memory_generations
    dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table).values(scope=scope, pair=pair, kind=kind, generation=1)
    raised = {"generation": table.c.generation + 1}
    connection.execute(statement.on_conflict_do_update(index_elements=["scope", "pair", "kind"], set_=raised))


def generation_of(connection: Connection, scope: str, pair: str, kind: str) -> int:
    """Changes counted so far; 0 if there was none."""
    table = memory_generations
    query = select(table.c.generation).where(
        table.c.scope == scope, table.c.pair == pair, table.c.kind == kind
    )
    return int(connection.scalar(query) or 0)
