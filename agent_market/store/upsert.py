"""Insert or replace by primary key, in the dialects that the store may be on."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite

from agent_market.errors import StoreError
from agent_market.store.database import Database


def insert_into(database: Database, table: Table) -> Any:
    """The dialect's own insert, which knows conflicts.

    :raises StoreError: the store is neither SQLite nor PostgreSQL.
    """
    return insert_for(database.engine.dialect.name, table)


def upsert(database: Database, table: Table) -> Any:
    """Insert rows; where the primary key is taken, the new values replace the old ones."""
    return upsert_for(database.engine.dialect.name, table)


def upsert_for(dialect: str, table: Table) -> Any:
    """`upsert` by the name of the dialect, for who has a connection and no `Database`."""
    insert = insert_for(dialect, table)
    keys = [column.name for column in table.primary_key]
    changed = {c.name: insert.excluded[c.name] for c in table.c if c.name not in keys}
    return insert.on_conflict_do_update(index_elements=keys, set_=changed)


def insert_for(dialect: str, table: Table) -> Any:
    """`insert_into` by the name of the dialect."""
    if dialect == "sqlite":
        return sqlite.insert(table)
    if dialect == "postgresql":
        return postgresql.insert(table)
    raise StoreError(f"the store is on {dialect!r}; use a sqlite or postgresql URL in `store.url`")
