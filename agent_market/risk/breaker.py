"""The circuit breaker as a pure state machine: alarms in, frozen or not out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from agent_market.config import BreakerSettings
from agent_market.risk.systemic import Alarm

PASSING = ("stale_data", "no_free_funds", "clock_skew")
"""Causes that freeze entries only for as long as they hold."""


@dataclass(frozen=True, slots=True)
class BreakerState:
    """Why entries are frozen, since when, and until when at the earliest; no alarms = not frozen.

    `promised` is how long the freeze was to last from the look that set `until`: its own record, which
    settings that change afterwards do not shorten. None = not on record.
    """

    alarms: tuple[Alarm, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    promised: timedelta | None = None

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
    others `cooldown_minutes` from when their evidence was last new (`Alarm.known_at`), and as long as they
    are seen. An end farther off than was promised comes of a clock that was ahead, and is brought near: what
    froze may have been real, but not for years.
    """
    seen = tuple(seen)
    causes = {alarm.cause for alarm in seen}
    until = state.until
    if until is not None and state.frozen:
        longest = state.promised
        if longest is None:
            longest = (
                max(_until(replace(alarm, known_at=None), now, settings) for alarm in state.alarms) - now
            )
        until = min(until, now + longest)
    running = until is not None and now < until
    kept = tuple(a for a in state.alarms if running and a.cause not in PASSING and a.cause not in causes)
    together = (*kept, *seen)
    if not together:
        return BreakerState()
    ends = [_until(alarm, now, settings) for alarm in seen]
    # What was promised stands: a later look, with other settings, may lengthen a freeze only.
    if until is not None and running and any(a.cause not in PASSING for a in state.alarms):
        ends.append(until)
    end = max(ends)
    lasts = end - now
    if until is not None and end == until and state.promised is not None:
        lasts = max(lasts, state.promised)
    return BreakerState(together, state.since or now, end, max(lasts, timedelta(0)))


def _until(alarm: Alarm, now: datetime, settings: BreakerSettings) -> datetime:
    if alarm.cause in PASSING:
        return now
    if alarm.cause == "day_loss":
        return datetime.combine(now.astimezone(UTC).date() + timedelta(days=1), datetime.min.time(), UTC)
    return (alarm.known_at or now) + timedelta(minutes=settings.cooldown_minutes)
