"""A clock that nobody sets: what was promised for an hour lasts an hour, whatever happens to the wall clock.

The machine's own counter since boot runs on through suspension, NTP corrections and `date -s`. A
`SteadyClock` reads as the wall clock did when it was made, plus the time that has passed since. Use it for
how long something holds; use the wall clock for what is compared with an exchange's candles.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_seconds() -> float:
    """Seconds since the machine booted, time asleep included where the system counts it (Linux)."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


def boot_id() -> str:
    """A name for this boot of the machine; empty where the system gives none."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""


def wall_now() -> datetime:
    """The wall clock, which may be set at any time, in UTC."""
    return datetime.now(UTC)


class SteadyClock:
    """Call it for the time in UTC by the counter since boot; thread-safe."""

    def __init__(
        self, wall: Callable[[], datetime] = wall_now, counter: Callable[[], float] = boot_seconds
    ) -> None:
        """
        :param wall: read once, for where to begin.
        :param counter: seconds, never set back and never ahead.
        """
        self._counter = counter
        self._began, self._began_at = wall(), counter()

    def __call__(self) -> datetime:
        return self._began + timedelta(seconds=self._counter() - self._began_at)


steady_now = SteadyClock()
"""This process's own."""
