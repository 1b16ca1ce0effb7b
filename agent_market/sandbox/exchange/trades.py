"""Public trades, made from candles so that the two agree.

Each candle of the smallest timeframe is `PER_CANDLE` trades of equal size, evenly spread over its life
and priced along `candles.path`: their first, highest, lowest and last price and their total are the
candle's. They are published once their candle has closed, and never change. The k-th trade of the candle
that opens at t has the id t / timeframe * PER_CANDLE + k.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from agent_market.sandbox.exchange.klines import window
from agent_market.sandbox.exchange.symbols import Symbol
from agent_market.sandbox.market import TIMEFRAMES, Candles, Market
from agent_market.sandbox.market.candles import path

PER_CANDLE = 13  # a multiple of 3 and one more: the path's turns at 1/3 and 2/3 are trades
_FRACTIONS = np.arange(PER_CANDLE) / (PER_CANDLE - 1)


@dataclass(frozen=True, slots=True)
class Trades:
    """Trades in the order of their ids: arrays of one length. `taker_sells` where the buyer was the maker."""

    id: np.ndarray
    time: np.ndarray
    price: np.ndarray
    quantity: np.ndarray
    taker_sells: np.ndarray

    def __getitem__(self, rows: slice | np.ndarray) -> Trades:
        return Trades(
            self.id[rows], self.time[rows], self.price[rows], self.quantity[rows], self.taker_sells[rows]
        )


def latest(market: Market, symbol: Symbol, limit: int) -> Trades:
    """The last `limit` trades."""
    base = market.timeframes[0]
    candles = window(market, symbol.pair, base, None, None, limit // PER_CANDLE + 2)
    return _made_of(market, symbol, candles)[-limit:]


def from_id(market: Market, symbol: Symbol, first: int, limit: int) -> Trades:
    """The first `limit` trades whose id is at least `first`."""
    start = first // PER_CANDLE * TIMEFRAMES[market.timeframes[0]]
    trades = _from(market, symbol, start, None, limit)
    return trades[trades.id >= first][:limit]


def between(market: Market, symbol: Symbol, start: int, end: int | None, limit: int) -> Trades:
    """The first `limit` trades with start <= time <= end (ms)."""
    base = TIMEFRAMES[market.timeframes[0]]
    trades = _from(market, symbol, start // base * base, end, limit)
    wanted = trades.time >= start
    if end is not None:
        wanted &= trades.time <= end
    return trades[wanted][:limit]


def _from(market: Market, symbol: Symbol, start: int, end: int | None, limit: int) -> Trades:
    base = market.timeframes[0]
    return _made_of(market, symbol, window(market, symbol.pair, base, start, end, limit // PER_CANDLE + 2))


def _made_of(market: Market, symbol: Symbol, candles: Candles) -> Trades:
    length = TIMEFRAMES[market.timeframes[0]]
    candles = candles[(candles.time + length <= market.now()) & (candles.volume > 0)]
    ids = candles.time[:, None] // length * PER_CANDLE + np.arange(PER_CANDLE)
    times = candles.time[:, None] + ((length - 1) * _FRACTIONS).astype(np.int64)
    prices = [path(candles[row : row + 1], _FRACTIONS, symbol.price_decimals) for row in range(len(candles))]
    price = np.array(prices).reshape(len(candles), PER_CANDLE)
    quantity = np.repeat(candles.volume[:, None] / PER_CANDLE, PER_CANDLE, axis=1)
    falling = np.diff(price, axis=1, prepend=price[:, :1]) < 0
    return Trades(ids.ravel(), times.ravel(), price.ravel(), quantity.ravel(), falling.ravel())


def trade_rows(trades: Trades, symbol: Symbol) -> list[dict[str, Any]]:
    """As `/trades` returns them."""
    return [
        {
            "id": number,
            "price": symbol.price(price),
            "qty": symbol.quantity(quantity),
            "quoteQty": symbol.quantity(price * quantity),
            "time": time,
            "isBuyerMaker": sells,
            "isBestMatch": True,
        }
        for number, time, price, quantity, sells in _columns(trades)
    ]


def aggregate_rows(trades: Trades, symbol: Symbol) -> list[dict[str, Any]]:
    """As `/aggTrades` returns them, one trade each."""
    return [
        {
            "a": number,
            "p": symbol.price(price),
            "q": symbol.quantity(quantity),
            "f": number,
            "l": number,
            "T": time,
            "m": sells,
            "M": True,
        }
        for number, time, price, quantity, sells in _columns(trades)
    ]


def _columns(trades: Trades) -> zip[tuple[Any, ...]]:
    columns = (trades.id, trades.time, trades.price, trades.quantity, trades.taker_sells)
    return zip(*(column.tolist() for column in columns), strict=True)
