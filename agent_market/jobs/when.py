"""Schedules of jobs: an interval, or a calendar (cron fields) in a time zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from agent_market.errors import ConfigError

MINUTE = timedelta(minutes=1)
OFF = "off"
CRON_FIELDS = 5
_UNITS = {"s": "seconds", "min": "minutes", "h": "hours", "d": "days"}


class When(Protocol):
    """The schedule of a job. All times are timezone-aware; returned ones are in UTC."""

    def after(self, handled: datetime) -> datetime:
        """Return the first scheduled time after `handled`, the time that was run last."""
        ...

    def newest(self, now: datetime) -> datetime:
        """Return the scheduled time, at or before `now`, of a run that starts at `now`."""
        ...

    def most_ahead(self, handled: datetime) -> timedelta:
        """Return how far `handled` may lie in the future before the clock of that run counts as wrong."""
        ...


@dataclass(frozen=True, slots=True)
class Interval:
    """Run `every` so often, counted from the last start. The scheduled time of a run is its start."""

    every: timedelta

    def after(self, handled: datetime) -> datetime:
        return handled.astimezone(UTC) + self.every

    def newest(self, now: datetime) -> datetime:
        return now.astimezone(UTC)

    def most_ahead(self, handled: datetime) -> timedelta:
        return timedelta(0)

    def __str__(self) -> str:
        seconds = self.every.total_seconds()
        for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
            if seconds >= size:
                return f"every {seconds / size:.3g} {unit}"
        return f"every {seconds:.3g} s"


@dataclass(frozen=True, slots=True)
class Calendar:
    """Five cron fields (minute, hour, day of month, month, day of week) in the time of a zone.

    A late run keeps the time that was due: the review of Sunday stays Sunday's. When clocks go forward, a
    skipped time runs at the first moment after the gap; when they go back, a repeated time runs once; fields
    that match every hour follow elapsed hours (`cronsim` follows Debian's cron here).
    """

    cron: str
    zone: str = "UTC"

    def __post_init__(self) -> None:
        """:raises ConfigError: the fields or the zone cannot be read."""
        example = "use for example `30 7 * * 1-5 Europe/Berlin`"
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ConfigError(f"unknown time zone {self.zone!r} in `{self}`; {example}") from error
        if len(self.cron.split()) != CRON_FIELDS:
            raise ConfigError(f"invalid cron fields `{self.cron}`: {CRON_FIELDS} are needed; {example}")
        try:
            CronSim(self.cron, datetime(2024, 1, 1, tzinfo=UTC))
        except CronSimError as error:
            raise ConfigError(f"invalid cron fields `{self.cron}`: {error}; {example}") from error

    def after(self, handled: datetime) -> datetime:
        return self._next(handled, backwards=False)

    def newest(self, now: datetime) -> datetime:
        return self._next(now.replace(second=0, microsecond=0) + MINUTE, backwards=True)

    def most_ahead(self, handled: datetime) -> timedelta:
        return max(timedelta(days=1), self.after(handled) - handled)

    def __str__(self) -> str:
        return f"{self.cron} {self.zone}"

    def _next(self, moment: datetime, backwards: bool) -> datetime:
        times = CronSim(self.cron, moment.astimezone(ZoneInfo(self.zone)), reverse=backwards)
        return next(times).astimezone(UTC)


def parse_when(text: str, zone: str = "UTC") -> When | None:
    """Parse a setting: `off`, an interval as `every 6 h`, or five cron fields with an optional time zone.

    :param text: for example `every 30 min`, `30 7 * * 1-5` or `30 4 * * * UTC`.
    :param zone: time zone of cron fields that name none.
    :returns: the schedule; None for `off`.
    :raises ConfigError: the text has none of these forms.
    """
    words = text.split()
    if words == [OFF]:
        return None
    if words[:1] == ["every"]:
        return Interval(_length(text, words[1:]))
    if len(words) == CRON_FIELDS + 1:
        return Calendar(" ".join(words[:-1]), words[-1])
    return Calendar(" ".join(words), zone)


def _length(text: str, words: list[str]) -> timedelta:
    problem = f"invalid interval `{text}`; use for example `every 6 h` (units: {', '.join(_UNITS)})"
    if len(words) != 2 or words[1] not in _UNITS:
        raise ConfigError(problem)
    try:
        length = timedelta(**{_UNITS[words[1]]: float(words[0])})
    except (ValueError, OverflowError) as error:
        raise ConfigError(problem) from error
    if length <= timedelta(0):
        raise ConfigError(problem)
    return length
