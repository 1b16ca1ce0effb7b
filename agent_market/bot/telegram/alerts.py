"""/alerts: what is open over restarts, and that somebody saw to it."""

from __future__ import annotations

from collections.abc import Sequence

from agent_market.bot.alerting.alert_queries import alert_history, resolve
from agent_market.bot.telegram.request import Asked
from agent_market.errors import ConfigError
from agent_market.store.alerts import AlertRecord
from agent_market.utils.time import moment

SHOWN = 10
SERIOUS = ("warning", "critical")
RESOLVE = "done"


def alerts(asked: Asked) -> str:
    """The newest open warnings; `all` shows resolved ones and news too, `done ID` resolves one.

    :raises ConfigError: other words.
    :raises DataError: there is no alert with that id.
    """
    history = asked.attachment.history
    words = asked.words
    if words[:1] == (RESOLVE,) and len(words) == 2 and words[1].isdecimal():
        found = resolve(asked.source, history, int(words[1]), asked.by)
        return f"Resolved by {found.resolved_by}, {moment(found.resolved_at)}: {found.text}"
    if words not in ((), ("all",)):
        raise ConfigError("write /alerts, /alerts all or /alerts done ID")
    if history is not None:
        history.write()
    recent = asked.attachment.bus.recent(SHOWN)
    if words:
        return alerts_text("Newest alerts", alert_history(asked.source, history, recent, SHOWN))
    found_open = alert_history(asked.source, history, recent, SHOWN, only_open=True, levels=SERIOUS)
    return alerts_text("Open alerts", found_open)


def alerts_text(title: str, records: Sequence[AlertRecord]) -> str:
    """One line each, newest first."""
    if not records:
        return f"{title}: none"
    lines = []
    for record in reversed(records):
        number = f"{record.id}. " if record.id is not None else ""
        ended = f" (resolved by {record.resolved_by})" if record.resolved_at else ""
        lines.append(f"{number}{moment(record.at)} {record.level}: {record.text}{ended}")
    return "\n".join([title, *lines])
