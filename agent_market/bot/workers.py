"""Light periodic work beside the bot's loop: daemon threads that stop when they are told to."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

logger = logging.getLogger(__name__)

PREFIX = "agent-market-"


class Worker:
    """Calls `work` every `every_s` seconds until `stop`; a failure is reported and the next call comes."""

    def __init__(
        self, name: str, every_s: float, work: Callable[[], None], failed: Callable[[Exception], None]
    ) -> None:
        self._every_s = every_s
        self._work = work
        self._failed = failed
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"{PREFIX}{name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 10.0) -> bool:
        """End after the work under way; whether the thread is gone."""
        self._stop.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._work()
            except Exception as error:
                logger.exception("%s failed", self._thread.name)
                self._failed(error)
            self._stop.wait(self._every_s)
