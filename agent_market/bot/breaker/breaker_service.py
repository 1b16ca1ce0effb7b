"""The breaker of the running bot: alarms from candles and ticks, one state, kept over restarts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from agent_market.bot.alerting.alerts import AlertBus
from agent_market.bot.json_state import read_fact, write_fact
from agent_market.config import BreakerSettings
from agent_market.errors import ControlUnreadable
from agent_market.risk.breaker import BreakerState, step
from agent_market.risk.systemic import Alarm

REWRITE_AFTER = timedelta(minutes=1)


def _now() -> datetime:
    return datetime.now(UTC)


class BreakerService:
    """Thread-safe. `frozen` is a plain read; freezing is in force before the file is written."""

    def __init__(
        self,
        settings: BreakerSettings,
        bus: AlertBus,
        file: Path | None,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        """:param file: where the state is kept; None (backtests) = only in memory."""
        self._settings = settings
        self._bus = bus
        self._file = file
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: dict[str, tuple[Alarm, ...]] = {}
        self._state = self._restored()
        self._written = self._state

    @property
    def state(self) -> BreakerState:
        return self._state

    @property
    def frozen(self) -> bool:
        """Whether entries are frozen now, without a new look."""
        return self._state.frozen

    def see(self, source: str, alarms: Iterable[Alarm], now: datetime | None = None) -> BreakerState:
        """Take what one source ("candles", "ticks") sees now, in place of what it saw before."""
        with self._lock:
            self._seen[source] = tuple(alarms)
            before = self._state
            seen = [alarm for found in self._seen.values() for alarm in found]
            self._state = step(before, seen, now or self._clock(), self._settings)
            after = self._state
            self._keep()
        self._tell(before, after)
        return after

    def reset(self, by: str) -> BreakerState:
        """A human thaws entries now; what still holds will freeze them again at the next look."""
        with self._lock:
            before, self._state = self._state, BreakerState()
            self._seen.clear()
            self._keep()
        if before.frozen:
            self._bus.publish(
                "warning", "breaker", f"reset by {by}; was frozen: {before.reason}", by=by, resolves="breaker"
            )
        return self._state

    def _tell(self, before: BreakerState, after: BreakerState) -> None:
        new = {a.cause for a in after.alarms} - {a.cause for a in before.alarms}
        if new:
            until = f" until {after.until:%Y-%m-%d %H:%M} UTC at least" if after.until else ""
            self._bus.publish(
                "critical", "breaker", f"entries frozen{until}: {after.reason}", **breaker_json(after)
            )
        elif before.frozen and not after.frozen:
            text = f"entries thawed; was frozen: {before.reason}"
            self._bus.publish("warning", "breaker", text, resolves="breaker")

    def _keep(self) -> None:
        state, written = self._state, self._written
        same = {a.cause for a in state.alarms} == {a.cause for a in written.alarms}
        moved = state.until and written.until and abs(state.until - written.until) >= REWRITE_AFTER
        if self._file is None or (same and not moved):
            return
        try:
            write_fact(self._file, breaker_json(state))
            self._written = state
        except ControlUnreadable as error:
            self._bus.publish(
                "critical", "fault", f"the breaker's state would not survive a restart: {error}"
            )

    def _restored(self) -> BreakerState:
        if self._file is None:
            return BreakerState()
        try:
            return breaker_from(read_fact(self._file))
        except (ControlUnreadable, KeyError, TypeError, ValueError) as error:
            self._bus.publish("critical", "fault", f"breaker state unreadable, entries frozen: {error}")
            until = self._clock() + timedelta(minutes=self._settings.cooldown_minutes)
            return BreakerState((Alarm("damaged_state", 0.0, 1.0, str(error)),), self._clock(), until)


def breaker_json(state: BreakerState) -> dict[str, Any]:
    """JSON-ready form of a state."""
    return {
        "alarms": [
            {"cause": a.cause, "threshold": a.threshold, "value": a.value, "where": a.where}
            for a in state.alarms
        ],
        "since": state.since.isoformat() if state.since else None,
        "until": state.until.isoformat() if state.until else None,
    }


def breaker_from(fact: dict[str, Any] | None) -> BreakerState:
    """The state of `breaker_json`; not frozen without one.

    :raises KeyError, TypeError, ValueError: it is none.
    """
    if not fact or not fact["alarms"]:
        return BreakerState()
    alarms = tuple(
        Alarm(a["cause"], float(a["threshold"]), float(a["value"]), a["where"]) for a in fact["alarms"]
    )
    since, until = (datetime.fromisoformat(fact[name]) for name in ("since", "until"))
    if since.tzinfo is None or until.tzinfo is None:
        raise ValueError(f"{fact['since']} to {fact['until']} names no time zone")
    return BreakerState(alarms, since, until)
