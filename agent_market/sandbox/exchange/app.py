"""The exchange as one app."""

from __future__ import annotations

from fastapi import FastAPI

from agent_market.sandbox.exchange.book_feed import BookFeeds
from agent_market.sandbox.exchange.counting import CountingMiddleware, RequestCounts
from agent_market.sandbox.exchange.errors import install_errors
from agent_market.sandbox.exchange.futures import futures_routes, futures_v2_routes
from agent_market.sandbox.exchange.spot import spot_routes
from agent_market.sandbox.exchange.symbols import SymbolTable
from agent_market.sandbox.exchange.ws import stream_routes
from agent_market.sandbox.faults import FaultRegistry
from agent_market.sandbox.faults import install as install_faults
from agent_market.sandbox.market import FaultyMarket, Market


def create_exchange_app(market: Market, board: FaultRegistry | None = None) -> FastAPI:
    """A Binance-compatible exchange, spot and USDT perpetuals, over `market`.

    :param board: faults of requests and of the market; it also gives `/admin/faults`. None: nothing fails.

    `GET /admin/requests` returns how often each path was asked for; `app.state.requests` is the same in
    the process. There are no accounts and no orders: freqtrade's dry run keeps those itself.
    """
    app = FastAPI(title="Agent Market sandbox exchange (synthetic or replayed prices)")
    counts = app.state.requests = RequestCounts()
    symbols = SymbolTable(market)
    if board is not None:
        market = FaultyMarket(market, board.market)
        install_faults(app, board)
    app.add_middleware(CountingMiddleware, counts=counts)
    install_errors(app)
    feeds = {futures: BookFeeds(market, symbols) for futures in (False, True)}
    app.include_router(spot_routes(market, symbols, feeds[False]), prefix="/api/v3")
    app.include_router(futures_routes(market, symbols, feeds[True]), prefix="/fapi/v1")
    app.include_router(futures_v2_routes(market, symbols), prefix="/fapi/v2")
    for futures, books in feeds.items():
        app.include_router(stream_routes(market, symbols, books, board, futures=futures))

    @app.get("/admin/requests")
    def requests() -> dict[str, int]:
        return counts.by_path()

    return app
