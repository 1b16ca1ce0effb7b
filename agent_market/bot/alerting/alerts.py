"""The one bus for what a trader must hear of: published from anywhere, handed out on a thread of its own."""

from __future__ import annotations

import logging
import queue
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from agent_market.utils.plain_text import one_line
from agent_market.utils.redaction import Redactor

logger = logging.getLogger(__name__)

Level = Literal["info", "warning", "critical"]
Topic = Literal[
    "clamp", "refusal", "breaker", "control", "proposal", "position", "execution", "cost", "fault", "message"
]

_LOG_LEVEL = {"info": logging.INFO, "warning": logging.WARNING, "critical": logging.ERROR}


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing that happened. `number` rises by one each; `data` is JSON-ready."""

    number: int
    at: datetime
    level: Level
    topic: Topic
    text: str
    data: Mapping[str, Any] = field(default_factory=dict)


Subscriber = Callable[[Alert], None]


class AlertBus:
    """Publish never blocks and never raises; a subscriber that fails is logged and keeps its place."""

    def __init__(self, kept: int = 500, redactor: Redactor | None = None) -> None:
        """:param redactor: hides secrets in what is published; None hides none."""
        self._redactor = redactor or Redactor({})
        self._recent: deque[Alert] = deque(maxlen=kept)
        self._subscribers: list[Subscriber] = []
        self._queue: queue.SimpleQueue[Alert | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._count = 0
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start handing out; alerts published before are handed out now."""
        self._thread = threading.Thread(target=self._hand_out, name="agent-market-alerts", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """Hand out what is queued, then end the thread."""
        self._queue.put(None)
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)

    def publish(self, level: Level, topic: Topic, text: str, **data: Any) -> Alert:
        """Log, keep and queue one alert, without secrets."""
        text, clean = one_line(self._redactor.text(text)), self._redactor.data(data)
        with self._lock:
            self._count += 1
            alert = Alert(self._count, datetime.now(UTC), level, topic, text, clean)
            self._recent.append(alert)
        logger.log(_LOG_LEVEL[level], "%s: %s", topic, text)
        self._queue.put(alert)
        return alert

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Call `subscriber` with each alert from now on, on the alert thread; returns how to stop that."""
        with self._lock:
            self._subscribers.append(subscriber)

        def leave() -> None:
            with self._lock:
                if subscriber in self._subscribers:
                    self._subscribers.remove(subscriber)

        return leave

    def recent(self, limit: int = 50, after: int = 0) -> tuple[Alert, ...]:
        """The newest alerts with a number above `after`, oldest first."""
        with self._lock:
            return tuple(a for a in self._recent if a.number > after)[-limit:]

    def _hand_out(self) -> None:
        while (alert := self._queue.get()) is not None:
            with self._lock:
                subscribers = tuple(self._subscribers)
            for subscriber in subscribers:
                try:
                    subscriber(alert)
                except Exception:  # one deaf listener must not silence the others
                    logger.exception("an alert subscriber failed on alert %d", alert.number)
