"""Keeping new answers, also through a full disk: the decision goes on, and writing is tried again."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

from agent_market.errors import StoreError
from agent_market.store.answers import AnswerRow, AnswerStore, HeldAnswer

logger = logging.getLogger(__name__)

RETRY_AFTER_S = 10.0
MAX_PENDING = 20_000


class Recorder:
    """Writes answers, one transaction per batch. What could not be written stays pending, and is found.

    Thread-safe. At most `MAX_PENDING` answers (some 100 MB) wait for room; beyond that the oldest are
    given up and the warning says how many.
    """

    def __init__(self, store: AnswerStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._pending: dict[str, AnswerRow] = {}
        self._given_up = 0
        self._not_before = 0.0

    @property
    def pending(self) -> int:
        """How many answers wait to be written."""
        return len(self._pending)

    def get_many(self, keys: Sequence[str]) -> dict[str, HeldAnswer]:
        """Answers to those `keys` that are stored or pending.

        :raises StoreError: the store cannot be read.
        """
        found = self._store.get_many(keys)
        if self._pending:
            with self._lock:
                found |= {key: held_answer(self._pending[key]) for key in keys if key in self._pending}
        return found

    def keep(self, rows: Sequence[AnswerRow]) -> None:
        """Write `rows`, and with them what is pending; they replace what is stored under their keys.

        A failure is logged once, not raised: an answer that was paid for is used.
        """
        with self._lock:
            self._pending.update((row.key, row) for row in rows)
            if self._pending and time.monotonic() >= self._not_before:
                self._write()
            self._forget_oldest()

    def close(self) -> None:
        """A last try to write what is pending; says how many answers are lost if it fails."""
        with self._lock:
            if self._pending:
                self._write()
            lost = len(self._pending) + self._given_up
        if lost:
            logger.error("%d model answers were used and could not be stored; replay will miss them", lost)
        self._store.close()

    def _write(self) -> None:
        failed_before = self._not_before > 0
        try:
            self._store.put(self._pending.values())
        except StoreError as error:
            self._not_before = time.monotonic() + RETRY_AFTER_S
            if not failed_before:
                logger.warning("answers are used but not stored for now: %s", error)
            return
        if failed_before:
            logger.info("answers are stored again, %d that waited among them", len(self._pending))
        self._pending.clear()
        self._not_before = 0.0

    def _forget_oldest(self) -> None:
        while len(self._pending) > MAX_PENDING:
            del self._pending[next(iter(self._pending))]
            self._given_up += 1


def held_answer(row: AnswerRow) -> HeldAnswer:
    """What a row will give when it is read."""
    return HeldAnswer(row.response, row.model, row.prompt_tokens, row.completion_tokens)
