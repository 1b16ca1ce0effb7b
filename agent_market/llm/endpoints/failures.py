"""Telling people about failed calls without drowning them: an outage is one story, not 3,000 lines."""

from __future__ import annotations

import logging
import threading
from collections import Counter

from agent_market.errors import AgentMarketError, PromptLeak

logger = logging.getLogger(__name__)


class FailureLog:
    """Logs the 1st, 10th, 100th, ... failure of each kind and role in a row, and the recovery. Thread-safe.

    "In a row" means since that role last gave a valid answer. Every single failure stands, with its
    cause, in the abstention that it became.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str]] = Counter()

    def failed(self, role: str, error: AgentMarketError) -> None:
        """Count one failure of `role`."""
        with self._lock:
            self._counts[role, type(error).__name__] += 1
            count = self._counts[role, type(error).__name__]
        if _is_power_of_ten(count):
            more = "" if count == 1 else f" ({count:,} in a row)"
            # A leak is a fault of Agent Market or of a config, not of an endpoint.
            level = logging.ERROR if isinstance(error, PromptLeak) else logging.WARNING
            logger.log(level, "agent %s abstains: %s%s", role, error, more)

    def answered(self, role: str) -> None:
        """`role` gave a valid answer."""
        if not self._counts:
            return
        with self._lock:
            gone = [key for key in self._counts if key[0] == role]
            count = sum(self._counts.pop(key) for key in gone)
        if count:
            logger.info("agent %s answers again after %s failed calls", role, f"{count:,}")


def _is_power_of_ten(count: int) -> bool:
    return count == 10 ** (len(str(count)) - 1)
