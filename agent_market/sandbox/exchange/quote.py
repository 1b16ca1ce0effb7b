"""The price now, and an order book around it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from agent_market.sandbox.exchange.errors import Refusal
from agent_market.sandbox.exchange.klines import window
from agent_market.sandbox.exchange.symbols import Symbol
from agent_market.sandbox.market import Candles, Market

HALF_SPREAD = 0.0001
LEVEL_GAP = 0.0002
_SHARE_PER_LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Quote:
    """The newest candle of the smallest timeframe, and the best prices around its close."""

    time: int
    last: float
    bid: float
    ask: float
    level_quantity: float
    """Typical quantity of one level of the book: a twentieth of a recent candle's volume."""


def quote(market: Market, symbol: Symbol) -> Quote:
    """The quote at the market's clock: bid < last < ask, one basis point (at least one tick) to each side."""
    recent = recent_candles(market, symbol, 30)
    last = float(recent.close[-1])
    half = max(round(last * HALF_SPREAD, symbol.price_decimals), symbol.tick)
    bid = max(round(last - half, symbol.price_decimals), symbol.tick)
    ask = round(last + half, symbol.price_decimals)
    lot = 10.0**-symbol.quantity_decimals
    typical = max(float(np.mean(recent.volume)) * _SHARE_PER_LEVEL, lot)
    return Quote(int(recent.time[-1]), last, bid, ask, typical)


def recent_candles(market: Market, symbol: Symbol, count: int) -> Candles:
    """The newest candles of the smallest timeframe.

    :raises Refusal: -1000 when there is none (all missing, or older than the market).
    """
    candles = window(market, symbol.pair, market.timeframes[0], None, None, count)
    if not len(candles):
        raise Refusal(-1000, f"The sandbox market has no price of {symbol.id} now.", 503)
    return candles


def depth(market: Market, symbol: Symbol, limit: int) -> tuple[Quote, list[Any], list[Any]]:
    """Bids (falling) and asks (rising) as [price, quantity] strings, `limit` a side.

    Levels are two basis points apart; quantities are exponential around the typical one and grow with the
    distance. They change with each candle of the smallest timeframe, not with each request.
    """
    now = quote(market, symbol)
    key = hashlib.blake2b(f"{symbol.id}/{now.time}".encode(), digest_size=8).digest()
    draws = np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little")))
    # (level, side), so that a deeper book begins with the same levels
    sizes = now.level_quantity * draws.exponential(size=(limit, 2)).T * (1 + np.arange(limit) / 10)
    gap = max(now.last * LEVEL_GAP, symbol.tick)
    steps = np.arange(limit) * gap
    bids = _levels(symbol, now.bid - steps, sizes[0])
    return now, bids, _levels(symbol, now.ask + steps, sizes[1])


def _levels(symbol: Symbol, prices: np.ndarray, sizes: np.ndarray) -> list[Any]:
    lot = 10.0**-symbol.quantity_decimals
    rounded = np.round(prices, symbol.price_decimals)
    return [
        [symbol.price(price), symbol.quantity(max(round(size, symbol.quantity_decimals), lot))]
        for price, size in zip(rounded.tolist(), sizes.tolist(), strict=True)
        if price > 0
    ]
