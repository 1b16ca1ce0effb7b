"""A number that grows with each write of the vectors of one memory, so that an index file can tell its age.

Every transaction that changes vectors raises the generation in the same transaction: a file made at a
generation holds exactly what the database held then, whatever was killed in between.  It grows by chance: a
store that was restored or recreated, and written to as often as the one before it, has other generations.
"""

from __future__ import annotations

import secrets
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from agent_market.store.schema import memory_generations

STATE = "state"
"""Kind of the market states in the table `episodes`; other kinds are those of `episode_vectors`."""

_LARGEST_STEP = 1 << 32
"""Two billion of them fit into 64 bits."""


def raise_generation(connection: Connection, scope: str, pair: str, kind: str) -> None:
    """Note one more change to the vectors of a memory, as part of the transaction that makes it."""
    table = memory_generations
    dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
    step = 1 + secrets.randbelow(_LARGEST_STEP)
    statement = dialect.insert(table).values(scope=scope, pair=pair, kind=kind, generation=step)
    raised = {"generation": table.c.generation + statement.excluded.generation}
    connection.execute(statement.on_conflict_do_update(index_elements=["scope", "pair", "kind"], set_=raised))


def generation_of(connection: Connection, scope: str, pair: str, kind: str) -> int:
    """The present generation; 0 before the first change."""
    table = memory_generations
    query = select(table.c.generation).where(
        table.c.scope == scope, table.c.pair == pair, table.c.kind == kind
    )
    return int(connection.scalar(query) or 0)
