"""Alerts as people ask for them: the stored ones, and those of the running bot that are not stored yet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from agent_market.bot.alerting.alerts import Alert
from agent_market.bot.alerting.history import AlertHistory
from agent_market.errors import DataError
from agent_market.queries.run_context import RunContext
from agent_market.store.alerts import AlertRecord, alerts_of, alerts_of_process, resolve_alert


def alert_history(
    source: RunContext,
    history: AlertHistory | None,
    recent: Sequence[Alert] = (),
    limit: int = 50,
    after: int = 0,
    before: int | None = None,
    only_open: bool = False,
    levels: tuple[str, ...] = (),
) -> tuple[AlertRecord, ...]:
    """The newest alerts, oldest first, those of earlier starts included.

    :param history: of the bot in this process; None where there is none. `recent` are the newest of its bus.
    :param after: only those of this process with a number above it; 0 = all.
    :param before: only those with an id below it.
    :raises StoreError: the store cannot be read.
    """
    fresh = history.waiting(recent) if history is not None and source.is_bots and before is None else ()
    try:
        if after and history is not None:
            stored = alerts_of_process(source.database, source.scope, history.process, after, limit)
        elif after:
            stored = ()
        else:
            stored = alerts_of(source.database, source.scope, limit, before, only_open, levels)
    except DataError:  # no store yet
        stored = ()
    known = {(record.process, record.number) for record in stored}
    waiting = [
        record
        for record in fresh
        if record.number > after
        and (record.process, record.number) not in known
        and (not levels or record.level in levels)
    ]
    return (*reversed(stored), *waiting)[-limit:]


def resolve(source: RunContext, history: AlertHistory | None, number: int, by: str) -> AlertRecord:
    """Resolve the alert with this id of the table.

    :raises DataError: there is none. :raises StoreError: the store cannot be written.
    """
    if history is not None:
        history.write()
    found = resolve_alert(source.database, source.scope, number, by, datetime.now(UTC).replace(microsecond=0))
    if found is None:
        raise DataError(f"no alert with id {number} in scope {source.scope!r}; the list of alerts has ids")
    return found
