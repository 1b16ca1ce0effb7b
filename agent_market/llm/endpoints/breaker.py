"""A circuit breaker: an endpoint that keeps failing is left alone, then tried with one request.

    closed     requests pass; `failures` in a row open it
    open       nothing passes for `open_s` seconds
    half-open  one request passes: if it succeeds the breaker closes, if it fails it opens again

(Nygard, Release It!, 2007.)
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Literal

logger = logging.getLogger(__name__)

State = Literal["closed", "open", "half-open"]


class CircuitBreaker:
    """The breaker of one endpoint. Thread-safe."""

    def __init__(
        self, name: str, failures: int, open_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """
        :param name: the endpoint, for the log.
        :param failures: how many failed requests in a row open it.
        :param open_s: seconds that it stays open.
        """
        self._name = name
        self._limit = failures
        self._open_s = open_s
        self._clock = clock
        self._lock = threading.Lock()
        self._failed = 0
        self._until: float | None = None
        self._probing = False

    @property
    def state(self) -> State:
        with self._lock:
            return self._state()

    def admits(self) -> bool:
        """Whether a request may be made now.

        Half-open, the first caller gets True and others False until it reports `succeeded`, `failed` or
        `withdraw`.
        """
        with self._lock:
            state = self._state()
            if state != "half-open":
                return state == "closed"
            if self._probing:
                return False
            self._probing = True
            return True

    def succeeded(self) -> None:
        """The endpoint answered."""
        with self._lock:
            was_open, self._until = self._until is not None, None
            self._failed, self._probing = 0, False
        if was_open:
            logger.info("%s answers again", self._name)

    def failed(self) -> None:
        """A request failed."""
        with self._lock:
            self._failed += 1
            opens = self._failed >= self._limit
            is_news = opens and self._until is None
            if opens:
                self._until = self._clock() + self._open_s
            self._probing = False
            count = self._failed
        if is_news:
            logger.warning(
                "%s failed %d times in a row: left alone, then tried every %g s",
                self._name,
                count,
                self._open_s,
            )

    def withdraw(self) -> None:
        """An admitted request was not made after all."""
        with self._lock:
            self._probing = False

    def _state(self) -> State:
        if self._until is None:
            return "closed"
        return "open" if self._clock() < self._until else "half-open"
