"""Tickers: the last day in one row, the best bid and ask, the last price."""

from __future__ import annotations

from typing import Any

import numpy as np

from agent_market.sandbox.exchange.quote import depth, quote, recent_candles
from agent_market.sandbox.exchange.symbols import Symbol
from agent_market.sandbox.exchange.trades import PER_CANDLE
from agent_market.sandbox.market import TIMEFRAMES, Market
from agent_market.sandbox.market.candles import DAY


def day_ticker(market: Market, symbol: Symbol, *, futures: bool) -> dict[str, Any]:
    """One row of `/ticker/24hr`; that of futures has no bid and ask."""
    length, now = TIMEFRAMES[market.timeframes[0]], market.now()
    day = market.candles(symbol.pair, market.timeframes[0], now - DAY, now + 1)
    if not len(day):
        day = recent_candles(market, symbol, 1)
    opened, last = float(day.open[0]), float(day.close[-1])
    volume = float(day.volume.sum())
    turnover = float(np.dot(day.volume, day.close))
    row = {
        "symbol": symbol.id,
        "priceChange": symbol.price(last - opened),
        "priceChangePercent": f"{(last / opened - 1) * 100:.3f}",
        "weightedAvgPrice": symbol.price(turnover / volume if volume else last),
        "lastPrice": symbol.price(last),
        "lastQty": symbol.quantity(float(day.volume[-1]) / PER_CANDLE),
        "openPrice": symbol.price(opened),
        "highPrice": symbol.price(float(day.high.max())),
        "lowPrice": symbol.price(float(day.low.min())),
        "volume": symbol.quantity(volume),
        "quoteVolume": symbol.quantity(turnover),
        "openTime": now - DAY,
        "closeTime": now,
        "firstId": int(day.time[0]) // length * PER_CANDLE,
        "lastId": int(day.time[-1]) // length * PER_CANDLE + PER_CANDLE - 1,
        "count": len(day) * PER_CANDLE,
    }
    if not futures:
        best = book_ticker(market, symbol, futures=False)
        row |= {name: best[name] for name in ("bidPrice", "bidQty", "askPrice", "askQty")}
        row["prevClosePrice"] = row["openPrice"]
    return row


def book_ticker(market: Market, symbol: Symbol, *, futures: bool) -> dict[str, Any]:
    """One row of `/ticker/bookTicker`: the first level of the order book.

    Only that of futures has a time: ccxt tells the two venues apart by it.
    """
    now, bids, asks = depth(market, symbol, 1)
    row = {
        "symbol": symbol.id,
        "bidPrice": bids[0][0],
        "bidQty": bids[0][1],
        "askPrice": asks[0][0],
        "askQty": asks[0][1],
    }
    return row | {"time": now.time} if futures else row


def price_ticker(market: Market, symbol: Symbol, *, futures: bool) -> dict[str, Any]:
    """One row of `/ticker/price`; only that of futures has a time."""
    now = quote(market, symbol)
    row = {"symbol": symbol.id, "price": symbol.price(now.last)}
    return row | {"time": now.time} if futures else row
