"""Spot: what is under `/api/v3`."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from agent_market.sandbox.exchange.book_feed import BookFeeds
from agent_market.sandbox.exchange.routes import SymbolList, json, shared_routes
from agent_market.sandbox.exchange.routes import each as each_symbol
from agent_market.sandbox.exchange.symbols import SymbolTable, spot_info
from agent_market.sandbox.market import Market


def spot_routes(market: Market, symbols: SymbolTable, feeds: BookFeeds | None = None) -> APIRouter:
    """The routes of the spot venue."""
    router = shared_routes(market, symbols, futures=False, feeds=feeds)

    @router.get("/exchangeInfo")
    def exchange_info(symbol: str | None = None, symbols_: SymbolList = None) -> Response:
        rows = each_symbol(symbols, symbol, symbols_, spot_info)
        return json(
            {
                "timezone": "UTC",
                "serverTime": market.now(),
                "rateLimits": [],
                "exchangeFilters": [],
                "symbols": rows if isinstance(rows, list) else [rows],
            }
        )

    return router
