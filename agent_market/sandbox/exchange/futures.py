"""USDT perpetuals: what is under `/fapi/v1`. Their prices are the spot prices."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response

from agent_market.sandbox.exchange import funding
from agent_market.sandbox.exchange.book_feed import BookFeeds
from agent_market.sandbox.exchange.klines import reference_rows, window
from agent_market.sandbox.exchange.routes import Millis, each, json, shared_routes
from agent_market.sandbox.exchange.symbols import Symbol, SymbolTable, futures_info
from agent_market.sandbox.exchange.tickers import price_ticker
from agent_market.sandbox.market import Market

Limit = Annotated[int, Query(ge=1)]

# (largest notional in USDT, most leverage, maintenance margin ratio): one ladder for all symbols.
_BRACKETS = ((50_000, 50, 0.01), (250_000, 25, 0.02), (1_000_000, 10, 0.05), (50_000_000, 5, 0.10))


def futures_routes(market: Market, symbols: SymbolTable, feeds: BookFeeds | None = None) -> APIRouter:
    """The routes of the futures venue."""
    router = shared_routes(market, symbols, futures=True, feeds=feeds)

    @router.get("/exchangeInfo")
    def exchange_info() -> Response:
        return json(
            {
                "timezone": "UTC",
                "serverTime": market.now(),
                "futuresType": "U_MARGINED",
                "rateLimits": [],
                "exchangeFilters": [],
                "assets": [{"asset": quote, "marginAvailable": True} for quote in _quotes(symbols)],
                "symbols": [futures_info(s, market.span(s.pair)[0]) for s in symbols.all()],
            }
        )

    @router.get("/markPriceKlines")
    def mark_price_klines(
        symbol: str, interval: str, startTime: Millis = None, endTime: Millis = None, limit: Limit = 500
    ) -> Response:
        return json(reference(symbol, interval, startTime, endTime, limit))

    @router.get("/indexPriceKlines")
    def index_price_klines(
        pair: str, interval: str, startTime: Millis = None, endTime: Millis = None, limit: Limit = 500
    ) -> Response:
        return json(reference(pair, interval, startTime, endTime, limit))

    def reference(symbol: str, interval: str, start: int | None, end: int | None, limit: int) -> list[Any]:
        known = symbols[symbol]
        candles = window(market, known.pair, interval, start, end, min(limit, 1500))
        return reference_rows(candles, interval, known)

    @router.get("/fundingRate")
    def funding_rate(
        symbol: str | None = None, startTime: Millis = None, endTime: Millis = None, limit: Limit = 100
    ) -> Response:
        wanted = symbols.all() if symbol is None else (symbols[symbol],)
        rows = [
            row
            for known in wanted
            for row in funding.history(market, known, startTime, endTime, min(limit, 1000))
        ]
        return json(sorted(rows, key=lambda row: row["fundingTime"]))

    @router.get("/fundingInfo")
    def funding_info() -> Response:
        return json([_funding_terms(symbol) for symbol in symbols.all()])

    @router.get("/premiumIndex")
    def premium_index(symbol: str | None = None) -> Response:
        return json(each(symbols, symbol, None, lambda s: funding.premium(market, s)))

    @router.get("/leverageBracket")
    def leverage_bracket(symbol: str | None = None) -> Response:
        rows = each(symbols, symbol, None, _brackets)
        return json(rows if isinstance(rows, list) else [rows])

    return router


def futures_v2_routes(market: Market, symbols: SymbolTable) -> APIRouter:
    """What ccxt asks for under `/fapi/v2`."""
    router = APIRouter()

    @router.get("/ticker/price")
    def price_tickers(symbol: str | None = None) -> Response:
        return json(each(symbols, symbol, None, lambda s: price_ticker(market, s, futures=True)))

    return router


def _quotes(symbols: SymbolTable) -> list[str]:
    return sorted({symbol.quote for symbol in symbols.all()})


def _funding_terms(symbol: Symbol) -> dict[str, Any]:
    cap = f"{funding.LIMIT:.8f}"
    return {
        "symbol": symbol.id,
        "adjustedFundingRateCap": cap,
        "adjustedFundingRateFloor": f"-{cap}",
        "fundingIntervalHours": funding.INTERVAL // 3_600_000,
    }


def _brackets(symbol: Symbol) -> dict[str, Any]:
    rows, floor, cumulative, ratio_before = [], 0, 0.0, 0.0
    for number, (cap, leverage, ratio) in enumerate(_BRACKETS, start=1):
        cumulative += floor * (ratio - ratio_before)  # keeps the margin continuous at the bracket's floor
        rows.append(
            {
                "bracket": number,
                "initialLeverage": leverage,
                "notionalCap": cap,
                "notionalFloor": floor,
                "maintMarginRatio": ratio,
                "cum": cumulative,
            }
        )
        floor, ratio_before = cap, ratio
    return {"symbol": symbol.id, "brackets": rows}
