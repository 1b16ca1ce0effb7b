"""The risk journal: every clamp, refusal and fill with limit and value, a JSON line each; the day's start.

Live, a thread of its own writes them, never the one that holds freqtrade's entry lock.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import orjson

from agent_market.bot.json_state import read_fact, write_fact
from agent_market.errors import ControlUnreadable
from agent_market.queries.risk_log import NAME
from agent_market.records import Clamp, decision_of
from agent_market.utils.redaction import Redactor

logger = logging.getLogger(__name__)

KEPT = 1_000
BATCH = 256
DAYS_KEPT = 3
WAITING_KEPT = 20_000
"""Lines that wait for a disk that takes none; of more, the newest."""


class Journal:
    """Thread-safe. Without a folder (hyperopt) it keeps the newest lines in memory only."""

    def __init__(
        self,
        folder: Path | None,
        live: bool = True,
        redactor: Redactor | None = None,
        keep: Callable[[Sequence[dict[str, Any]]], None] | None = None,
    ) -> None:
        """
        :param live: False for a backtest: the file starts afresh, and days are not kept on disk.
        :param redactor: hides secrets in what is noted; None hides none.
        :param keep: told by each `flush` of the new lines, to keep them elsewhere too; it may not raise.
        """
        self._keep = keep
        self._redactor = redactor or Redactor({})
        self._folder = folder
        self._keep_days = live and folder is not None
        if folder is not None and not live:
            (folder / NAME).unlink(missing_ok=True)
        self._lock = threading.Lock()
        self._recent: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._waiting: list[bytes] = []
        self._unkept: list[dict[str, Any]] = []
        self._days: dict[date, float] = {}

    def note(self, kind: str, pair: str, tag: str, **data: Any) -> dict[str, Any]:
        """Keep one line; `flush` writes it."""
        line = {"at": datetime.now(UTC).isoformat(), "kind": kind, "pair": pair, "decision": decision_of(tag)}
        line |= self._redactor.data(data)
        with self._lock:
            self._recent.append(line)
            if self._folder is not None:
                self._waiting.append(orjson.dumps(line, option=orjson.OPT_SERIALIZE_NUMPY))
                self._unkept.append(line)
            full = not self._keep_days and len(self._waiting) >= BATCH
        if full:
            self.flush()
        return line

    def recent(self, limit: int = 100, pair: str | None = None) -> tuple[dict[str, Any], ...]:
        """The newest lines, oldest first."""
        with self._lock:
            chosen = [line for line in self._recent if pair is None or line["pair"] == pair]
        return tuple(chosen[-limit:])

    def flush(self) -> None:
        """Append what waits to `risk.jsonl`, then tell `keep`; what the file does not take waits on."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
            unkept, self._unkept = self._unkept, []
        if waiting and self._folder is not None:
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                with (self._folder / NAME).open("ab") as file:
                    file.write(b"".join(line + b"\n" for line in waiting))
            except OSError as error:
                logger.error("the risk journal cannot be written: %s", error)
                with self._lock:
                    self._waiting = (waiting + self._waiting)[-WAITING_KEPT:]
        if self._keep is not None:
            self._keep(unkept)

    def day_start(self, day: date, equity: float) -> float:
        """Equity at the first look of `day`, kept over restarts; later looks get the first one's.

        The newest `DAYS_KEPT` days are kept: a clock that is set ahead and back finds its day again.
        """
        if not self._days and self._keep_days:
            self._days = self._kept_days()
        if day not in self._days:
            days = {**self._days, day: equity}
            # That of today stays, however far in the future a clock has been.
            others = sorted(self._days, key=lambda known: abs(known - day))[: DAYS_KEPT - 1]
            self._days = {known: days[known] for known in sorted({day, *others})}
            if self._keep_days and self._folder is not None:
                earlier = {known.isoformat(): value for known, value in self._days.items()}
                try:
                    write_fact(
                        self._folder / "day.json",
                        {"day": day.isoformat(), "equity": equity, "days": earlier},
                    )
                except ControlUnreadable as error:
                    logger.error("the day's first equity would not survive a restart: %s", error)
        return self._days[day]

    def forget_days(self) -> None:
        """Begin anew, for another epoch of hyperopt."""
        self._days = {}

    def _kept_days(self) -> dict[date, float]:
        assert self._folder is not None
        try:
            fact = read_fact(self._folder / "day.json") or {}
            found = fact.get("days", {fact["day"]: fact["equity"]} if fact else {})
            return {date.fromisoformat(day): float(equity) for day, equity in found.items()}
        except (ControlUnreadable, KeyError, TypeError, ValueError, AttributeError) as error:
            logger.error("the day's first equity is lost, today counts from now: %s", error)
            return {}


def clamp_json(clamps: tuple[Clamp, ...]) -> list[dict[str, Any]]:
    """JSON-ready clamps."""
    return [
        {"limit": c.limit, "threshold": c.threshold, "value": c.value, "before": c.before, "after": c.after}
        for c in clamps
    ]
