"""The breaker of the running bot: alarms from candles and ticks, one state, kept over restarts.

A freeze lasts as long as was promised by a clock that nobody sets (`bot.steady_clock`), and ends with a fresh
look of the source that caused it: not with the wall clock, not with other settings, not with a file.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from agent_market.bot.alerting.alerts import AlertBus
from agent_market.bot.json_state import read_kept, spoil, write_kept
from agent_market.bot.steady_clock import SteadyClock, boot_id, boot_seconds, wall_now
from agent_market.config import BreakerSettings
from agent_market.errors import ControlUnreadable
from agent_market.risk.breaker import PASSING, BreakerState, step
from agent_market.risk.systemic import Alarm

REWRITE_AFTER = timedelta(minutes=1)
UNEVEN = timedelta(seconds=1)
"""Wall clock and steady clock count as even up to here."""

ON_CANDLES = ("vix", "pairs_crashing", "volatility_spike", "flash_crash")
"""Causes whose evidence is a candle: seen again on the same candle they are not new."""


class BreakerService:
    """Thread-safe. `frozen` is a plain read; freezing is in force before the file is written."""

    def __init__(
        self,
        settings: BreakerSettings,
        bus: AlertBus,
        file: Path | None,
        clock: Callable[[], datetime] = wall_now,
        counter: Callable[[], float] = boot_seconds,
    ) -> None:
        """
        :param file: where the state is kept; None (backtests) = only in memory.
        :param clock: the wall clock, in UTC: for what people read, and over a reboot.
        :param counter: seconds since boot, by which freezes end.
        """
        self._settings = settings
        self._bus = bus
        self._file = file
        self._clock = clock
        self._counter = counter
        self._steady = SteadyClock(clock, counter)
        self._lock = threading.Lock()
        self._seen: dict[str, tuple[Alarm, ...]] = {}
        self._evidence: dict[str, tuple[object, dict[str, datetime]]] = {}
        self._caused_by: dict[str, str] = {}
        self._state = self._restored()
        self._written = self._state
        self._unkept = False

    @property
    def state(self) -> BreakerState:
        """What stands, in times of the wall clock as it is set now."""
        state = self._state
        ahead = self._clock() - self._steady()
        if self._file is None or not state.frozen or abs(ahead) < UNEVEN:
            return state
        since, until = (t + ahead if t is not None else None for t in (state.since, state.until))
        return replace(state, since=since, until=until)

    @property
    def frozen(self) -> bool:
        """Whether entries are frozen now, without a new look."""
        return self._state.frozen

    def see(
        self,
        source: str,
        alarms: Iterable[Alarm],
        now: datetime | None = None,
        evidence: object = None,
        known_at: datetime | None = None,
    ) -> BreakerState:
        """Take what one source ("candles", "ticks") sees now, in place of what it saw before.

        :param now: by the clock that freezes end by; None = now. Backtests hand the candle's.
        :param evidence: names the candle looked at: an alarm seen on it again does not prolong its freeze.
        :param known_at: when that candle was known; None = at the first look at it.
        """
        with self._lock:
            at = now or self._steady()
            before = self._state
            self._seen[source] = self._dated(source, tuple(alarms), at, evidence, known_at)
            seen = [alarm for found in self._seen.values() for alarm in found]
            after = step(before, seen, at, self._settings)
            self._state = self._held(source, before, after)
            for alarm in self._seen[source]:
                self._caused_by[alarm.cause] = source
            after = self._state
            self._keep()
        self._tell(before, after)
        return after

    def _dated(
        self,
        source: str,
        alarms: tuple[Alarm, ...],
        at: datetime,
        evidence: object,
        known_at: datetime | None,
    ) -> tuple[Alarm, ...]:
        """The alarms with the time from which each counts."""
        named, first = self._evidence.get(source, (None, {}))
        if evidence is None or evidence != named:
            first = {}
        self._evidence[source] = evidence, first
        dated = []
        for alarm in alarms:
            when = at
            if evidence is not None and alarm.cause in ON_CANDLES:
                when = first.setdefault(alarm.cause, min(known_at or at, at))
            dated.append(replace(alarm, known_at=when))
        return tuple(dated)

    def _held(self, source: str, before: BreakerState, after: BreakerState) -> BreakerState:
        """`after`, where no freeze ends in it that another source saw last: that source must look again."""
        left = {a.cause for a in after.alarms}
        held = tuple(
            alarm
            for alarm in before.alarms
            if alarm.cause not in left
            and alarm.cause not in PASSING
            and self._caused_by.get(alarm.cause, source) != source
        )
        if not held:
            return after
        return replace(
            after,
            alarms=(*after.alarms, *held),
            since=before.since,
            until=after.until or before.until,
            promised=after.promised or before.promised,
        )

    def reset(self, by: str) -> BreakerState:
        """A human thaws entries now; what still holds will freeze them again at the next look."""
        with self._lock:
            before, self._state = self._state, BreakerState()
            self._seen.clear()
            self._evidence.clear()
            self._caused_by.clear()
            self._keep()
        if before.frozen:
            self._bus.publish(
                "warning", "breaker", f"reset by {by}; was frozen: {before.reason}", by=by, resolves="breaker"
            )
        return self._state

    def _tell(self, before: BreakerState, after: BreakerState) -> None:
        new = {a.cause for a in after.alarms} - {a.cause for a in before.alarms}
        if new:
            shown = self.state if self._file is not None else after
            until = f" until {shown.until:%Y-%m-%d %H:%M} UTC at least" if shown.until else ""
            self._bus.publish(
                "critical", "breaker", f"entries frozen{until}: {after.reason}", **breaker_json(shown)
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
        shown = self.state
        fact = breaker_json(shown)
        if state.frozen and state.until is not None:
            ends = self._counter() + (state.until - self._steady()).total_seconds()
            fact |= {"boot": boot_id(), "ends_at_boot_s": ends}
            fact["promised_s"] = None if state.promised is None else state.promised.total_seconds()
        try:
            write_kept(self._file, fact)
            self._written, self._unkept = state, False
        except ControlUnreadable as error:
            self._not_kept(self._file, state, error)

    def _not_kept(self, file: Path, state: BreakerState, error: ControlUnreadable) -> None:
        """It stands in memory. An empty file, which a full disk takes, freezes after a restart too."""
        if self._unkept:
            return
        self._unkept = True
        if state.frozen and spoil(file):
            text = f"the breaker's state is cut short on disk; a restart freezes for the cooldown: {error}"
        else:
            text = f"the breaker's state would not survive a restart: {error}"
        self._bus.publish("critical", "fault", text)

    def _restored(self) -> BreakerState:
        if self._file is None:
            return BreakerState()
        try:
            fact = read_kept(self._file)
            state = breaker_from(fact)
            return self._placed(state, fact) if fact and state.frozen else state
        except (ControlUnreadable, KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            self._bus.publish("critical", "fault", f"breaker state unreadable, entries frozen: {error}")
            lasts = timedelta(minutes=self._settings.cooldown_minutes)
            alarm = Alarm("damaged_state", 0.0, 1.0, str(error))
            now = self._clock()  # the steady clock has begun with it
            return BreakerState((alarm,), now, now + lasts, lasts)

    def _placed(self, state: BreakerState, fact: dict[str, Any]) -> BreakerState:
        """A state from the file, its end by this machine's counter where that has run on since."""
        lasts = fact.get("promised_s")
        promised = None if lasts is None else timedelta(seconds=float(lasts))
        until = state.until
        if fact.get("boot") and fact["boot"] == boot_id():
            until = self._steady() + timedelta(seconds=float(fact["ends_at_boot_s"]) - self._counter())
        return replace(state, until=until, promised=promised)


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
