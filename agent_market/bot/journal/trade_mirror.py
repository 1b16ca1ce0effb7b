"""Mirrors each fill of the running bot into the store, from the bot's own messages."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Mapping
from typing import Any

from freqtrade.enums import RPCMessageType
from freqtrade.persistence import Trade

from agent_market.bot.journal.trade_records import mirrored
from agent_market.errors import AgentMarketError, DataError
from agent_market.queries.run_context import open_source
from agent_market.store.trades import Mirrored, mirror_trades

logger = logging.getLogger(__name__)

MOST_WAITING = 1_000
"""Beyond it the oldest are left to the job `trades`, which compares the store with freqtrade's database."""

FILLS = frozenset({RPCMessageType.ENTRY_FILL, RPCMessageType.EXIT_FILL})


class TradeMirror:
    """`heard` takes the state of a trade on the thread that filled it; `write` stores it on another one."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config
        self._simulated = bool(config.get("dry_run", True))
        self._waiting: deque[Mirrored] = deque(maxlen=MOST_WAITING)
        self._lock = threading.Lock()
        self._failed = False

    def heard(self, message: Mapping[str, Any]) -> None:
        """One message of the bot. It may not raise: it is called within the bot's iteration."""
        if message.get("type") not in FILLS:
            return
        try:
            trade = Trade.get_trades([Trade.id == int(message["trade_id"])]).first()
            if trade is not None:
                self._waiting.append(mirrored(trade, self._simulated))
        except Exception:
            logger.exception("trade %s is not mirrored now; the job `trades` will", message.get("trade_id"))

    def write(self) -> None:
        """Store what waits; what the store cannot take waits for the next call."""
        with self._lock:
            taken = [self._waiting.popleft() for _ in range(len(self._waiting))]
            if not taken:
                return
            try:
                source = open_source(self._config)
                mirror_trades(source.database, source.scope, taken)
                self._failed = False
            except DataError:  # no store yet: it begins with the first decision
                self._wait_on(taken)
            except AgentMarketError as error:
                if not self._failed:
                    logger.error("trades cannot be mirrored, and wait: %s", error)
                self._failed = True
                self._wait_on(taken)

    def _wait_on(self, taken: list[Mirrored]) -> None:
        room = MOST_WAITING - len(self._waiting)
        self._waiting.extendleft(reversed(taken[max(len(taken) - room, 0) :]))
