"""Alerts into the store, on a thread of their own: bus and other subscribers never wait for a disk."""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from agent_market.bot.alerting.alerts import Alert
from agent_market.errors import AgentMarketError, DataError
from agent_market.queries.run_context import open_source
from agent_market.store.alerts import AlertRecord, put_alerts

logger = logging.getLogger(__name__)

MOST_WAITING = 1_000


class AlertHistory:
    """A subscriber of the bus. What the store cannot take waits, the newest `MOST_WAITING` alerts of it."""

    def __init__(self, config: Mapping[str, Any], most: int = MOST_WAITING) -> None:
        self._config = config
        self.process = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{os.getpid()}"
        self._most = most
        self._waiting: deque[AlertRecord] = deque()
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._failed = False
        self._heard = 0

    def __call__(self, alert: Alert) -> None:
        """Queue one alert; beyond the bound the oldest is left out of the history."""
        with self._lock:
            self._heard = alert.number
            self._waiting.append(self._record(alert))
            if len(self._waiting) > self._most:
                lost = self._waiting.popleft()
                logger.warning("alert %d is left out of the history: too many wait", lost.number)

    def waiting(self, recent: Sequence[Alert] = ()) -> tuple[AlertRecord, ...]:
        """What is not stored yet, oldest first.

        :param recent: of the bus: those that it has not handed out yet are among the answer.
        """
        with self._lock:
            unheard = [self._record(alert) for alert in recent if alert.number > self._heard]
            return (*self._waiting, *unheard)

    def _record(self, alert: Alert) -> AlertRecord:
        at = alert.at.replace(microsecond=0)
        return AlertRecord(self.process, alert.number, at, alert.level, alert.topic, alert.text, alert.data)

    def write(self) -> None:
        """Store what waits."""
        with self._writing:
            taken = self.waiting()
            if not taken:
                return
            try:
                source = open_source(self._config)
                put_alerts(source.database, source.scope, taken)
            except DataError:  # no store yet: it begins with the first decision
                return
            except AgentMarketError as error:
                if not self._failed:  # not to the bus: that alert would wait behind these
                    logger.error("alerts cannot be stored, and wait: %s", error)
                self._failed = True
                return
            self._failed = False
            with self._lock:
                while self._waiting and self._waiting[0].number <= taken[-1].number:
                    self._waiting.popleft()
