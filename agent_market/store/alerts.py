"""Alerts, kept over restarts, with the time at which each was resolved.

An id is the table's; `number` counts within one process, which `process` names.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Select, func, select, update

from agent_market.store.database import Database
from agent_market.store.episode_json import moment, seconds
from agent_market.store.schema import alerts
from agent_market.store.upsert import insert_into


@dataclass(frozen=True, slots=True)
class AlertRecord:
    """One alert; `id` is None before it is stored. Times are whole seconds, UTC; `data` is JSON-ready."""

    process: str
    number: int
    at: datetime
    level: str
    topic: str
    text: str
    data: Mapping[str, Any] = field(default_factory=dict)
    id: int | None = None
    resolved_at: datetime | None = None
    resolved_by: str | None = None


def put_alerts(database: Database, scope: str, records: Iterable[AlertRecord]) -> None:
    """Add alerts in one transaction; alerts that are already stored stay unchanged.

    An alert whose data hold `resolves` (a topic) ends the open alerts of that topic that came before it, and
    is resolved itself.

    :raises StoreFull: the disk is full; none was stored.
    :raises StoreError: any other failure; none was stored.
    """
    with database.begin() as connection:
        insert = insert_into(database, alerts).on_conflict_do_nothing(
            index_elements=["scope", "process", "number"]
        )
        for record in records:
            added = connection.scalar(insert.values(_row(scope, record)).returning(alerts.c.id))
            topic = record.data.get("resolves")
            if added is not None and topic:
                ended = update(alerts).where(alerts.c.scope == scope, alerts.c.topic == topic)
                ended = ended.where(alerts.c.resolved_at.is_(None))
                connection.execute(
                    ended.values(resolved_at=seconds(record.at), resolved_by=record.text[:128])
                )


def alerts_of(
    database: Database,
    scope: str,
    limit: int = 50,
    before: int | None = None,
    only_open: bool = False,
    levels: Collection[str] = (),
) -> tuple[AlertRecord, ...]:
    """Return the newest alerts, newest first.

    :param before: return only alerts with a smaller id.
    :param only_open: leave out resolved alerts.
    :param levels: return only these levels; empty = all.
    :raises StoreError: the store cannot be read.
    """
    query = _newest(scope, limit)
    if before is not None:
        query = query.where(alerts.c.id < before)
    if only_open:
        query = query.where(alerts.c.resolved_at.is_(None))
    if levels:
        query = query.where(alerts.c.level.in_(levels))
    with database.begin() as connection:
        return tuple(_record(row) for row in connection.execute(query))


def alerts_of_process(
    database: Database, scope: str, process: str, after: int, limit: int = 50
) -> tuple[AlertRecord, ...]:
    """The newest alerts of one process with a number above `after`, newest first."""
    query = _newest(scope, limit).where(alerts.c.process == process, alerts.c.number > after)
    with database.begin() as connection:
        return tuple(_record(row) for row in connection.execute(query))


def resolve_alert(database: Database, scope: str, number: int, by: str, at: datetime) -> AlertRecord | None:
    """Resolve one alert; a second call keeps the first `resolved_by`.

    :param number: id of the alert in the table.
    :returns: the alert after the change; None if the scope has no alert with this id.
    :raises StoreError: the store cannot be written.
    """
    this = (alerts.c.scope == scope) & (alerts.c.id == number)
    with database.begin() as connection:
        change = update(alerts).where(this, alerts.c.resolved_at.is_(None))
        connection.execute(change.values(resolved_at=seconds(at), resolved_by=by[:128]))
        row = connection.execute(select(alerts).where(this)).first()
    return None if row is None else _record(row)


def count_open(database: Database, scope: str, levels: Collection[str]) -> int:
    """Open alerts of these levels."""
    query = (
        select(func.count())
        .select_from(alerts)
        .where(alerts.c.scope == scope, alerts.c.resolved_at.is_(None), alerts.c.level.in_(levels))
    )
    with database.begin() as connection:
        return int(connection.scalar(query) or 0)


def _newest(scope: str, limit: int) -> Select[Any]:
    return select(alerts).where(alerts.c.scope == scope).order_by(alerts.c.id.desc()).limit(limit)


def _row(scope: str, record: AlertRecord) -> dict[str, Any]:
    return {
        "scope": scope,
        "process": record.process,
        "number": record.number,
        "at": seconds(record.at),
        "level": record.level,
        "topic": record.topic,
        "text": record.text,
        "data": orjson.dumps(record.data, default=str, option=orjson.OPT_SERIALIZE_NUMPY),
    }


def _record(row: Any) -> AlertRecord:
    return AlertRecord(
        process=row.process,
        number=row.number,
        at=moment(row.at),
        level=row.level,
        topic=row.topic,
        text=row.text,
        data=orjson.loads(row.data),
        id=row.id,
        resolved_at=None if row.resolved_at is None else moment(row.resolved_at),
        resolved_by=row.resolved_by,
    )
