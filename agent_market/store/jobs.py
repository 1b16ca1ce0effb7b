"""When jobs last ran, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import select

from agent_market.store.database import Database
from agent_market.store.episode_json import moment, seconds
from agent_market.store.schema import jobs
from agent_market.store.upsert import upsert


def note_run(database: Database, name: str, at: datetime, result: Mapping[str, Any]) -> None:
    """Note that a job ran as of `at`; only its newest run is kept."""
    row = {"name": name, "at": seconds(at), "result": orjson.dumps(result, option=orjson.OPT_SORT_KEYS)}
    with database.begin() as connection:
        connection.execute(upsert(database, jobs), row)


def last_run(database: Database, name: str) -> datetime | None:
    """As of when a job last ran; None if it never did."""
    with database.begin() as connection:
        at = connection.scalar(select(jobs.c.at).where(jobs.c.name == name))
    return None if at is None else moment(at)


def runs(database: Database) -> dict[str, tuple[datetime, dict[str, Any]]]:
    """The newest run of each job and its result, by name."""
    with database.begin() as connection:
        rows = connection.execute(select(jobs).order_by(jobs.c.name)).all()
    return {row.name: (moment(row.at), orjson.loads(row.result)) for row in rows}
