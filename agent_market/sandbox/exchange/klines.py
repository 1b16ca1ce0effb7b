"""Candles as `/klines` returns them."""

from __future__ import annotations

from typing import Any

from agent_market.sandbox.exchange.errors import invalid_interval
from agent_market.sandbox.exchange.symbols import Symbol
from agent_market.sandbox.market import TIMEFRAMES, Candles, Market

Row = list[Any]


def window(
    market: Market, pair: str, interval: str, start: int | None, end: int | None, limit: int
) -> Candles:
    """Binance's choice of candles: the first `limit` that open in [start, end]; with no start the last.

    Times in milliseconds, both ends included; a start before the first candle means the first candle.

    :raises Refusal: -1120, an interval that the market does not have.
    """
    if interval not in market.timeframes:
        raise invalid_interval()
    step = TIMEFRAMES[interval] * limit
    first, known = market.span(pair)
    first = first - TIMEFRAMES[interval] + 1  # the oldest candle of a large timeframe may open before it
    until = min(known, known if end is None else end) + 1
    if start is None:
        return _last(market, pair, interval, first, until, limit, step)
    return _first(market, pair, interval, max(start, first), until, limit, step)


def _first(m: Market, pair: str, interval: str, start: int, until: int, limit: int, step: int) -> Candles:
    parts, missing = [], limit
    while start < until and missing > 0:  # more than once only where there are gaps
        parts.append(m.candles(pair, interval, start, min(start + step, until)))
        missing -= len(parts[-1])
        start += step
    return Candles.concat(parts)[:limit] if parts else Candles.empty()


def _last(m: Market, pair: str, interval: str, first: int, until: int, limit: int, step: int) -> Candles:
    parts, missing = [], limit
    while until > first and missing > 0:
        parts.append(m.candles(pair, interval, max(until - step, first), until))
        missing -= len(parts[-1])
        until -= step
    return Candles.concat(parts[::-1])[-limit:] if parts else Candles.empty()


def kline_rows(candles: Candles, interval: str, symbol: Symbol) -> list[Row]:
    """Rows of 12. Trades per candle and the takers' half are made up: one trade per candle minute, half."""
    length = TIMEFRAMES[interval]
    trades = length // 60_000
    rows = zip(
        candles.time.tolist(),
        *(getattr(candles, name).tolist() for name in ("open", "high", "low", "close", "volume")),
        strict=True,
    )
    price, amount = symbol.price, symbol.quantity
    return [
        [
            time,
            price(opened),
            price(high),
            price(low),
            price(closed),
            amount(volume),
            time + length - 1,
            amount(volume * closed),
            trades,
            amount(volume / 2),
            amount(volume * closed / 2),
            "0",
        ]
        for time, opened, high, low, closed, volume in rows
    ]


def reference_rows(candles: Candles, interval: str, symbol: Symbol) -> list[Row]:
    """Rows of `/markPriceKlines` and `/indexPriceKlines`: prices alone, "0" for what is not traded."""
    rows = kline_rows(candles, interval, symbol)
    return [[*row[:5], "0", row[6], "0", row[8], "0", "0", "0"] for row in rows]
