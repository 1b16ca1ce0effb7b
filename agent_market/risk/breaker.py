"""The circuit breaker as a pure state machine: alarms in, frozen or not out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from agent_market.config import BreakerSettings
from agent_market.risk.systemic import Alarm

PASSING = ("stale_data", "no_free_funds", "clock_skew")
"""Causes that freeze entries only for as long as they hold."""


@dataclass(frozen=True, slots=True)
class BreakerState:
    """Why entries are frozen, since when, and until when at the earliest; no alarms = not frozen."""

    alarms: tuple[Alarm, ...] = ()
    since: datetime | None = None
    until: datetime | None = None

    @property
    def frozen(self) -> bool:
        return bool(self.alarms)

    @property
    def reason(self) -> str:
        """One line for people: each cause with value and limit."""
        return "; ".join(
            f"{a.cause} {a.value:.4g} beyond {a.threshold:.4g}" + (f" ({a.where})" if a.where else "")
            for a in self.alarms
        )


def step(
    state: BreakerState, seen: Iterable[Alarm], now: datetime, settings: BreakerSettings
) -> BreakerState:
    """The state after a look at `now`: alarms that hold renew it, old ones lapse after their time.

    A day's loss freezes until 00:00 UTC, stale data, missing funds and wrong clocks while they last, the
    others `cooldown_minutes` from when they were last seen. An end farther off than that comes of a clock
    that was ahead, and is brought near: what froze may have been real, but not for years.
    """
    seen = tuple(seen)
    causes = {alarm.cause for alarm in seen}
    until = state.until
    if until is not None and state.frozen:
        until = min(until, max(_until(alarm, now, settings) for alarm in state.alarms))
    running = until is not None and now < until
    kept = tuple(a for a in state.alarms if running and a.cause not in PASSING and a.cause not in causes)
    together = (*kept, *seen)
    if not together:
        return BreakerState()
    ends = [_until(alarm, now, settings) for alarm in seen]
    if kept and until is not None:
        ends.append(until)
    return BreakerState(together, state.since or now, max(ends))


def _until(alarm: Alarm, now: datetime, settings: BreakerSettings) -> datetime:
    if alarm.cause in PASSING:
        return now
    if alarm.cause == "day_loss":
        return datetime.combine(now.astimezone(UTC).date() + timedelta(days=1), datetime.min.time(), UTC)
    return now + timedelta(minutes=settings.cooldown_minutes)
