"""Writing down what was spent, also through a full disk: the decision goes on, and writing is tried again."""

from __future__ import annotations

import logging
import threading
import time

from agent_market.errors import StoreError
from agent_market.llm.usage.amounts import SpendAmount
from agent_market.store.database import Database
from agent_market.store.spend import SpendRow, spent, write_spend

logger = logging.getLogger(__name__)

DAY_S = 86_400
RETRY_AFTER_S = 10.0


class SpendWriter:
    """The table `spend` as a run writes it. Thread-safe. What could not be written waits, all of it."""

    def __init__(self, database: Database, run: str) -> None:
        """:param run: name of this start of a backtest or of the bot."""
        self.run = run
        self._database = database
        self._lock = threading.Lock()
        self._pending: list[SpendRow] = []
        self._not_before = 0.0
        self._closed = False

    def note(self, row: SpendRow) -> None:
        """Take down one billed request; the next `flush` writes it."""
        with self._lock:
            self._pending.append(row)
            if self._closed:
                self._write()

    def flush(self) -> None:
        """Write what waits. A failure is logged once, not raised: the budget counts without the store."""
        with self._lock:
            if self._pending and time.monotonic() >= self._not_before:
                self._write()

    def others_on(self, day: int) -> SpendAmount:
        """What other runs on this store spent on a UTC day (days since the epoch).

        :raises StoreError: the store cannot be read.
        """
        found = spent(self._database, day * DAY_S, (day + 1) * DAY_S, not_run=self.run)
        return SpendAmount(found.calls, found.prompt_tokens + found.completion_tokens, found.cost_nano)

    def close(self) -> None:
        """A last try to write what waits; says what is lost if it fails. Later notes are written at once."""
        with self._lock:
            self._closed = True
            if self._pending:
                self._write()
            lost = len(self._pending)
        if lost:
            logger.error("%d billed requests could not be written to the table `spend`", lost)

    def _write(self) -> None:
        failed_before = self._not_before > 0
        try:
            write_spend(self._database, self._pending)
        except StoreError as error:
            self._not_before = time.monotonic() + RETRY_AFTER_S
            if not failed_before:
                logger.warning("what models cost is counted but not stored for now: %s", error)
            return
        self._pending.clear()
        self._not_before = 0.0
