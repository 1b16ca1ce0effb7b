"""Start and result of each job's last run: one row per (scope, name).

The scope is that of the bot: bots that share a store keep their jobs apart. It is empty for what concerns the
whole store, as a backup of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import select, update

from agent_market.store.database import Database
from agent_market.store.episode_json import moment, seconds
from agent_market.store.schema import jobs
from agent_market.store.upsert import insert_into, upsert

Run = tuple[datetime, dict[str, Any]]
"""Start of a job's last run, and its result."""


def note_run(database: Database, name: str, at: datetime, result: Mapping[str, Any], scope: str = "") -> None:
    """Record that a job ran as of `at`."""
    with database.begin() as connection:
        connection.execute(upsert(database, jobs), _row(scope, name, at, result))


def claim_run(
    database: Database, scope: str, name: str, before: Run | None, at: datetime, result: Mapping[str, Any]
) -> bool:
    """Record the start of a job, unless another process changed its row since `before` was read.

    :param before: the job's entry in `runs`; None = it had none.
    :returns: False if another process claimed the job first.
    """
    row = _row(scope, name, at, result)
    with database.begin() as connection:
        if before is None:
            statement = insert_into(database, jobs).on_conflict_do_nothing(index_elements=["scope", "name"])
            # Use the returned row, not the row count: psycopg has none for such an insert.
            return connection.scalar(statement.values(row).returning(jobs.c.name)) is not None
        held = _row(scope, name, *before)
        statement = (
            update(jobs)
            .where(jobs.c.scope == scope, jobs.c.name == name)
            .where(jobs.c.at == held["at"], jobs.c.result == held["result"])
            .values(at=row["at"], result=row["result"])
        )
        return connection.execute(statement).rowcount == 1


def last_run(database: Database, name: str, scope: str = "") -> datetime | None:
    """Return when a job last ran; None if never."""
    query = select(jobs.c.at).where(jobs.c.scope == scope, jobs.c.name == name)
    with database.begin() as connection:
        at = connection.scalar(query)
    return None if at is None else moment(at)


def runs(database: Database, scope: str = "") -> dict[str, Run]:
    """Return the newest run of each job of a scope and its result, by name."""
    with database.begin() as connection:
        rows = connection.execute(select(jobs).where(jobs.c.scope == scope).order_by(jobs.c.name)).all()
    return {row.name: (moment(row.at), orjson.loads(row.result)) for row in rows}


def runs_of_all_scopes(database: Database) -> dict[tuple[str, str], Run]:
    """Return the newest run of each job and its result, by (scope, name)."""
    with database.begin() as connection:
        rows = connection.execute(select(jobs).order_by(jobs.c.scope, jobs.c.name)).all()
    return {(row.scope, row.name): (moment(row.at), orjson.loads(row.result)) for row in rows}


def _row(scope: str, name: str, at: datetime, result: Mapping[str, Any]) -> dict[str, Any]:
    raw = orjson.dumps(result, option=orjson.OPT_SORT_KEYS)
    return {"scope": scope, "name": name, "at": seconds(at), "result": raw}
