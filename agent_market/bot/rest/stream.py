"""`/api/v1/agents/ws`: decisions, clamps and alerts as they happen. Each message is `{"type", "data"}`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Query, WebSocket, WebSocketDisconnect

from agent_market.bot.attach import current
from agent_market.bot.freqtrade_internals import api as internals
from agent_market.bot.plugin import BotPlugin
from agent_market.bot.rest.decisions import summary_of
from agent_market.bot.rest.errors import redactor
from agent_market.errors import AgentMarketError, DataError
from agent_market.queries.decisions import DecisionRow, decision_whole, decisions_since
from agent_market.queries.risk_log import risk_log_of
from agent_market.queries.run_context import RunContext, open_source

logger = logging.getLogger(__name__)

router = APIRouter(prefix="/agents")

KINDS = ("decision", "risk", "alert")
POLL_S = 0.5
OVERLAP_S = 24 * 3600
"""Pairs decide the same candle at different moments: ids this far back are told apart by name."""

Message = dict[str, Any]


@dataclass
class Feed:
    """What one listener has not heard yet. Begins with what happens after it was made."""

    source: RunContext
    bot: BotPlugin | None
    kinds: frozenset[str] = frozenset(KINDS)
    _seen: dict[str, int] = field(default_factory=dict)
    _alert: int = 0
    _line: int = 0

    def __post_init__(self) -> None:
        self._seen = dict(self._decided(0))
        self._line = risk_log_of(self.source.folder).count
        self._alert = self._last_alert()

    def news(self) -> list[Message]:
        """Messages since the last call, oldest first within each type.

        :raises StoreError: the store cannot be read.
        """
        return [message for kind in KINDS if kind in self.kinds for message in getattr(self, f"_{kind}s")()]

    def _decisions(self) -> Iterator[Message]:
        log = risk_log_of(self.source.folder)
        newest = max(self._seen.values(), default=0)
        for decision, asof in self._decided(newest - OVERLAP_S):
            if decision not in self._seen:
                self._seen[decision] = asof
                row: DecisionRow = decision_whole(self.source, log, decision)[0]
                yield {"type": "decision", "data": summary_of(row).model_dump(mode="json")}
        newest = max(self._seen.values(), default=0)
        self._seen = {name: asof for name, asof in self._seen.items() if asof >= newest - OVERLAP_S}

    def _risks(self) -> Iterator[Message]:
        for number, line in risk_log_of(self.source.folder).recent(1_000, self._line):
            self._line = number
            yield {"type": "risk", "data": line}

    def _alerts(self) -> Iterator[Message]:
        bot = current()
        if bot is not self.bot:  # after a reload: another bot, whose alerts count from 1
            self.bot, self._alert = bot, 0
        for alert in bot.bus.recent(500, self._alert) if bot else ():
            self._alert = alert.number
            yield {"type": "alert", "data": {**asdict(alert), "at": alert.at.isoformat()}}

    def _decided(self, since: int) -> list[tuple[str, int]]:
        try:
            return [(name, asof) for asof, name in decisions_since(self.source, max(since, 0))]
        except DataError:  # no store before the first decision
            return []

    def _last_alert(self) -> int:
        newest = self.bot.bus.recent(1) if self.bot else ()
        return newest[-1].number if newest else 0


@router.websocket("/ws")
async def stream(
    socket: WebSocket,
    user: Annotated[str | None, Depends(internals.socket_user)],
    types: Annotated[str | None, Query()] = None,
    scope: Annotated[str | None, Query(max_length=128)] = None,
) -> None:
    """Send what happens from now on, until the listener leaves."""
    if not user:
        return
    wanted = frozenset((types or ",".join(KINDS)).split(","))
    if not wanted <= set(KINDS):
        await socket.close(1008, f"`types` knows {', '.join(KINDS)}")
        return
    await socket.accept()
    leaving = asyncio.create_task(_until_left(socket))
    try:
        source = open_source(internals.api_config(), scope)
        feed = await asyncio.to_thread(Feed, source, current(), wanted)
        await socket.send_json({"type": "hello", "data": {"scope": source.scope, "types": sorted(wanted)}})
        while not leaving.done():
            for message in await asyncio.to_thread(feed.news):
                await socket.send_text(orjson.dumps(redactor().data(message)).decode())
            await asyncio.wait([leaving], timeout=POLL_S)
    except WebSocketDisconnect:
        pass
    except AgentMarketError as error:
        logger.error("a listener at /api/v1/agents/ws was sent away: %s", redactor().text(str(error)))
        await socket.close(1011, "the store cannot be read; see the bot's log")
    finally:
        leaving.cancel()


async def _until_left(socket: WebSocket) -> None:
    """What a listener says is not needed; that it left is."""
    try:
        while True:
            await socket.receive_text()
    except (WebSocketDisconnect, RuntimeError, KeyError):
        return
