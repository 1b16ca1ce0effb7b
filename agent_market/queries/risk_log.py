"""The risk journal, read from its file: clamps, refusals and fills by decision, in the bot and beside it."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict, deque
from pathlib import Path
from typing import Any

import orjson

logger = logging.getLogger(__name__)

LINES_KEPT = 5_000
DECISIONS_KEPT = 50_000
LINES_A_DECISION = 20

Line = dict[str, Any]


class RiskLog:
    """Follows `risk.jsonl`: each question first reads what was added. Thread-safe; bounded in memory."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / NAME
        self._lock = threading.Lock()
        self._forget()

    def of(self, decision: str) -> tuple[Line, ...]:
        """The newest lines about one decision, oldest first."""
        with self._lock:
            self._follow()
            return tuple(self._decisions.get(decision, ()))

    def recent(self, limit: int = 100, after: int = 0) -> tuple[tuple[int, Line], ...]:
        """The newest lines with a number above `after`, oldest first; numbers count lines from 1."""
        with self._lock:
            self._follow()
            return tuple(pair for pair in self._recent if pair[0] > after)[-limit:]

    @property
    def count(self) -> int:
        """Lines so far: the number of the newest."""
        with self._lock:
            self._follow()
            return self._count

    def _forget(self) -> None:
        self._offset = self._count = 0
        self._recent: deque[tuple[int, Line]] = deque(maxlen=LINES_KEPT)
        self._decisions: OrderedDict[str, deque[Line]] = OrderedDict()

    def _follow(self) -> None:
        try:
            size = self._file.stat().st_size
            if size < self._offset:  # another file
                self._forget()
            if size == self._offset:
                return
            with self._file.open("rb") as file:
                file.seek(self._offset)
                for raw in file:
                    if not raw.endswith(b"\n"):  # still being written
                        break
                    self._offset += len(raw)
                    self._keep(raw)
        except FileNotFoundError:
            self._forget()

    def _keep(self, raw: bytes) -> None:
        try:
            line = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            logger.warning("a line of %s is damaged and left out: %s", self._file.name, error)
            return
        self._count += 1
        self._recent.append((self._count, line))
        decision = line.get("decision")
        if decision:
            self._decisions.setdefault(decision, deque(maxlen=LINES_A_DECISION)).append(line)
            self._decisions.move_to_end(decision)
            if len(self._decisions) > DECISIONS_KEPT:
                self._decisions.popitem(last=False)


_logs: dict[Path, RiskLog] = {}
_lock = threading.Lock()


def risk_log_of(folder: Path) -> RiskLog:
    """The one reader of a bot's folder in this process."""
    with _lock:
        return _logs.setdefault(folder, RiskLog(folder))


NAME = "risk.jsonl"
