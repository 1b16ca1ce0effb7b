"""What spot and futures share: the same paths under `/api/v3` and `/fapi/v1`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response

from agent_market.sandbox.exchange import trades as public_trades
from agent_market.sandbox.exchange.book_feed import BookFeeds
from agent_market.sandbox.exchange.errors import Refusal
from agent_market.sandbox.exchange.klines import kline_rows, window
from agent_market.sandbox.exchange.quote import depth
from agent_market.sandbox.exchange.symbols import Symbol, SymbolTable
from agent_market.sandbox.exchange.tickers import book_ticker, day_ticker, price_ticker
from agent_market.sandbox.market import Market

Millis = Annotated[int | None, Query(ge=0)]


def shared_routes(
    market: Market, symbols: SymbolTable, *, futures: bool, feeds: BookFeeds | None = None
) -> APIRouter:
    """Ping, time, candles, book, trades and tickers of one venue.

    :param feeds: books that are streamed; `/depth` then shows a state of the stream.
    """
    router = APIRouter(default_response_class=JSONResponse)
    most = 1500 if futures else 1000

    @router.get("/ping")
    async def ping() -> dict[str, Any]:
        return {}

    @router.get("/time")
    async def server_time() -> dict[str, int]:
        return {"serverTime": market.now()}

    @router.get("/klines")
    def klines(
        symbol: str,
        interval: str,
        startTime: Millis = None,
        endTime: Millis = None,
        limit: Annotated[int, Query(ge=1)] = 500,
    ) -> Response:
        known = symbols[symbol]
        candles = window(market, known.pair, interval, startTime, endTime, min(limit, most))
        return json(kline_rows(candles, interval, known))

    @router.get("/depth")
    def order_book(symbol: str, limit: Annotated[int, Query(ge=1)] = 100) -> Response:
        streamed = feeds.snapshot(symbols[symbol].id, min(limit, 1000)) if feeds is not None else None
        if streamed is not None:
            number, bids, asks = streamed
            times = {"E": market.now(), "T": market.now()} if futures else {}
            return json({"lastUpdateId": number, **times, "bids": bids, "asks": asks})
        now, bids, asks = depth(market, symbols[symbol], min(limit, 1000))
        times = {"E": market.now(), "T": now.time} if futures else {}
        return json({"lastUpdateId": market.now(), **times, "bids": bids, "asks": asks})

    @router.get("/trades")
    @router.get("/historicalTrades")
    def trades(symbol: str, limit: Annotated[int, Query(ge=1)] = 500, fromId: int | None = None) -> Response:
        known, count = symbols[symbol], min(limit, 1000)
        if fromId is None:
            found = public_trades.latest(market, known, count)
        else:
            found = public_trades.from_id(market, known, fromId, count)
        return json(public_trades.trade_rows(found, known))

    @router.get("/aggTrades")
    def aggregate_trades(
        symbol: str,
        fromId: int | None = None,
        startTime: Millis = None,
        endTime: Millis = None,
        limit: Annotated[int, Query(ge=1)] = 500,
    ) -> Response:
        known, count = symbols[symbol], min(limit, 1000)
        if fromId is not None:
            found = public_trades.from_id(market, known, fromId, count)
        elif startTime is not None:
            found = public_trades.between(market, known, startTime, endTime, count)
        else:
            found = public_trades.latest(market, known, count)
        return json(public_trades.aggregate_rows(found, known))

    @router.get("/ticker/24hr")
    def tickers_24hr(symbol: str | None = None, symbols_: SymbolList = None) -> Response:
        return json(each(symbols, symbol, symbols_, lambda s: day_ticker(market, s, futures=futures)))

    @router.get("/ticker/bookTicker")
    def book_tickers(symbol: str | None = None, symbols_: SymbolList = None) -> Response:
        return json(each(symbols, symbol, symbols_, lambda s: book_ticker(market, s, futures=futures)))

    @router.get("/ticker/price")
    def price_tickers(symbol: str | None = None, symbols_: SymbolList = None) -> Response:
        return json(each(symbols, symbol, symbols_, lambda s: price_ticker(market, s, futures=futures)))

    return router


SymbolList = Annotated[str | None, Query(alias="symbols")]


def each(
    table: SymbolTable, one: str | None, several: str | None, row: Callable[[Symbol], dict[str, Any]]
) -> Any:
    """Binance's way to ask: `symbol` gives one row, `symbols` (a JSON list) those, neither gives all."""
    if one is not None:
        return row(table[one])
    return [row(symbol) for symbol in (table.all() if several is None else _listed(table, several))]


def json(content: Any) -> Response:
    """`content` as it is, without FastAPI's walk through it: a thousand candles are 12,000 values."""
    return Response(orjson.dumps(content), media_type="application/json")


def _listed(table: SymbolTable, text: str) -> list[Symbol]:
    try:
        names = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Refusal(-1100, "Illegal characters found in parameter 'symbols'.") from error
    if not isinstance(names, list):
        raise Refusal(-1100, "Illegal characters found in parameter 'symbols'.")
    return [table[str(name)] for name in names]
