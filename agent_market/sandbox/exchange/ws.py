"""Binance's market streams over WebSocket: `<symbol>@depth`, `<symbol>@trade`, `<symbol>@bookTicker`.

    spot       /ws, /ws/<stream>, /stream?streams=<a>/<b>; also under /stream, where ccxt looks for spot
    futures    the same under /fstream and /fstream/public

`SUBSCRIBE`, `UNSUBSCRIBE` and `LIST_SUBSCRIPTIONS` work as on Binance; so do the `@100ms` and `@1000ms` of a
depth stream (every other speed is the default, 1000 ms).  The book's ids are those of `/depth`, see
`book_feed`.  Faults: a `latency` delays each message, in order; a `sequence_gap` leaves one out; a `drop`
closes the socket in the place of one.  Their `path` is /stream/<symbol>@<kind> or /fstream/<symbol>@<kind>.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from agent_market.sandbox.exchange import trades as public_trades
from agent_market.sandbox.exchange.book_feed import BookFeeds, change_row
from agent_market.sandbox.exchange.errors import Refusal
from agent_market.sandbox.exchange.symbols import SymbolTable
from agent_market.sandbox.exchange.tickers import book_ticker
from agent_market.sandbox.faults import FaultRegistry, StreamStrike
from agent_market.sandbox.market import Market

POLL_S = 0.1
_PERIODS = {"100ms": 0.1, "1000ms": 1.0}
_KINDS = ("depth", "trade", "bookTicker")
_TRADES_AT_ONCE = 1_000


def stream_routes(
    market: Market, symbols: SymbolTable, feeds: BookFeeds, board: FaultRegistry | None, *, futures: bool
) -> APIRouter:
    """The WebSocket routes of one venue."""
    router = APIRouter()
    venue = Venue(market, symbols, feeds, board, futures)
    prefixes = ("/fstream", "/fstream/public", "/fstream/market") if futures else ("", "/stream")

    async def single(socket: WebSocket, name: str = "") -> None:
        await Connection(socket, venue, wrapped=False).run([name] if "@" in name else [])

    async def combined(socket: WebSocket, streams: str = "") -> None:
        await Connection(socket, venue, wrapped=True).run([s for s in streams.split("/") if s])

    for prefix in prefixes:
        router.add_api_websocket_route(f"{prefix}/ws", single)
        router.add_api_websocket_route(f"{prefix}/ws/{{name}}", single)
        router.add_api_websocket_route(f"{prefix}/stream", combined)
    return router


@dataclass(frozen=True, slots=True)
class Venue:
    """What every connection of a venue reads."""

    market: Market
    symbols: SymbolTable
    feeds: BookFeeds
    board: FaultRegistry | None
    futures: bool

    def strike(self, stream: str) -> StreamStrike | None:
        prefix = "/fstream/" if self.futures else "/stream/"
        return None if self.board is None else self.board.stream_strike(prefix + stream)


@dataclass(slots=True)
class Stream:
    """One subscription: what it was last told."""

    name: str
    symbol: str
    kind: str
    period_s: float
    position: int = -1
    """Id of the last change or trade that was handed out."""
    told: dict[str, Any] = field(default_factory=dict)
    next_s: float = 0.0


def parse_stream(name: str, symbols: SymbolTable) -> Stream:
    """A stream by its name.

    :raises Refusal: for an unknown symbol or kind.
    """
    symbol, _, rest = name.partition("@")
    kind, _, speed = rest.partition("@")
    if kind not in _KINDS:
        raise Refusal(-1130, f"Unknown stream {name!r}; the sandbox has @{', @'.join(_KINDS)}.")
    known = symbols[symbol.upper()]
    period = _PERIODS.get(speed, 1.0) if kind == "depth" else POLL_S
    return Stream(name, known.id, kind, period)


class Connection:
    """One socket and its subscriptions."""

    def __init__(self, socket: WebSocket, venue: Venue, *, wrapped: bool) -> None:
        self._socket, self._venue, self._wrapped = socket, venue, wrapped
        self._streams: dict[str, Stream] = {}
        self._outbox: asyncio.Queue[tuple[float, bytes | None]] = asyncio.Queue()
        self._due = 0.0

    async def run(self, names: list[str]) -> None:
        """Serve until the client leaves or a fault drops it."""
        await self._socket.accept()
        try:
            for name in names:
                await self._subscribe(name)
        except Refusal as refusal:
            await self._socket.close(1008, str(refusal)[:120])
            return
        tasks = [asyncio.create_task(part()) for part in (self._read, self._poll, self._send)]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            for name in list(self._streams):
                self._unsubscribe(name)
        gone = (asyncio.CancelledError, WebSocketDisconnect, RuntimeError)
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, gone):
                raise result

    async def _subscribe(self, name: str) -> None:
        if name in self._streams:
            return
        stream = parse_stream(name, self._venue.symbols)
        if stream.kind == "depth":
            stream.position = await asyncio.to_thread(self._venue.feeds[stream.symbol].watch)
        elif stream.kind == "trade":
            stream.position = await asyncio.to_thread(self._last_trade, stream.symbol)
        self._streams[name] = stream

    def _unsubscribe(self, name: str) -> None:
        stream = self._streams.pop(name, None)
        if stream is not None and stream.kind == "depth":
            self._venue.feeds[stream.symbol].leave()

    async def _read(self) -> None:
        while True:
            text = await self._socket.receive_text()
            self._put(await self._answer(text))

    async def _answer(self, text: str) -> dict[str, Any]:
        number: Any = None
        try:
            request = orjson.loads(text)
            number, names = request.get("id"), [str(name) for name in request.get("params") or []]
            match request.get("method"):
                case "SUBSCRIBE":
                    for name in names:
                        await self._subscribe(name)
                case "UNSUBSCRIBE":
                    for name in names:
                        self._unsubscribe(name)
                case "LIST_SUBSCRIPTIONS":
                    return {"result": list(self._streams), "id": number}
                case other:
                    return _error(2, f"Invalid request: unknown variant {other!r}", number)
        except Refusal as refusal:
            return _error(refusal.code, refusal.message, number)
        except (orjson.JSONDecodeError, AttributeError, TypeError) as error:
            return _error(3, f"Invalid JSON: {error}", number)
        return {"result": None, "id": number}

    async def _poll(self) -> None:
        while True:
            now = time.monotonic()
            for stream in list(self._streams.values()):
                if now < stream.next_s:
                    continue
                stream.next_s = now + stream.period_s - POLL_S / 10
                for row in await asyncio.to_thread(self._news[stream.kind], self, stream):
                    self._tell(stream, row)
            await asyncio.sleep(POLL_S)

    def _tell(self, stream: Stream, row: dict[str, Any]) -> None:
        """Hand a message over, as the board's faults have it."""
        strike = self._venue.strike(stream.name)
        delay = strike.latency_s if strike else 0.0
        if strike and strike.drop:
            self._put(None, delay)
        elif not (strike and strike.gap):
            self._put({"stream": stream.name, "data": row} if self._wrapped else row, delay)

    def _put(self, row: dict[str, Any] | None, delay: float = 0.0) -> None:
        self._due = max(self._due, time.monotonic() + delay)
        self._outbox.put_nowait((self._due, None if row is None else orjson.dumps(row)))

    async def _send(self) -> None:
        while True:
            due, body = await self._outbox.get()
            await asyncio.sleep(max(due - time.monotonic(), 0.0))
            if body is None:
                with contextlib.suppress(RuntimeError):
                    await self._socket.close(1012)
                return
            await self._socket.send_text(body.decode())

    def _depth(self, stream: Stream) -> list[dict[str, Any]]:
        feed, symbol = self._venue.feeds[stream.symbol], self._venue.symbols[stream.symbol]
        feed.refresh()
        changes = feed.since(stream.position)
        if changes:
            stream.position = changes[-1].last
        return [change_row(change, symbol, futures=self._venue.futures) for change in changes]

    def _trade(self, stream: Stream) -> list[dict[str, Any]]:
        market, symbol = self._venue.market, self._venue.symbols[stream.symbol]
        with contextlib.suppress(Refusal):
            found = public_trades.from_id(market, symbol, stream.position + 1, _TRADES_AT_ONCE)
            rows = public_trades.trade_rows(found, symbol)
            if rows:
                stream.position = rows[-1]["id"]
            return [trade_row(row, symbol.id, market.now(), futures=self._venue.futures) for row in rows]
        return []

    def _book_ticker(self, stream: Stream) -> list[dict[str, Any]]:
        market, symbol = self._venue.market, self._venue.symbols[stream.symbol]
        try:
            row = book_ticker(market, symbol, futures=self._venue.futures)
        except Refusal:
            return []
        best = {"b": row["bidPrice"], "B": row["bidQty"], "a": row["askPrice"], "A": row["askQty"]}
        if best == stream.told:
            return []
        stream.told = best
        now = market.now()
        times = {"e": "bookTicker", "E": now, "T": now} if self._venue.futures else {}
        return [{**times, "u": now, "s": symbol.id, **best}]

    def _last_trade(self, symbol: str) -> int:
        found = public_trades.latest(self._venue.market, self._venue.symbols[symbol], 1)
        return int(found.id[-1]) if len(found.id) else -1

    _news: dict[str, Callable[[Connection, Stream], list[dict[str, Any]]]] = {  # noqa: RUF012
        "depth": _depth,
        "trade": _trade,
        "bookTicker": _book_ticker,
    }


def trade_row(row: dict[str, Any], symbol: str, now: int, *, futures: bool) -> dict[str, Any]:
    """A row of `/trades` as the stream has it."""
    kind = {"X": "MARKET"} if futures else {"M": True}
    return {
        "e": "trade",
        "E": now,
        "s": symbol,
        "t": row["id"],
        "p": row["price"],
        "q": row["qty"],
        "T": row["time"],
        "m": row["isBuyerMaker"],
        **kind,
    }


def _error(code: int, message: str, number: Any) -> dict[str, Any]:
    return {"error": {"code": code, "msg": message}, "id": number}
