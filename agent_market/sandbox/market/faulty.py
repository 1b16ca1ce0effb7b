"""A market with something wrong with it: candles left out, data that is old, a flash crash."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from agent_market.sandbox.market.candles import (
    HOUR,
    MINUTE,
    Candles,
    bucket_start,
    resample,
    timeframe_ms,
)
from agent_market.sandbox.market.protocol import Market

CRASH_HOLD = MINUTE
CRASH_HALF_LIFE = 10 * MINUTE
CRASH_OVER = 3 * HOUR


class MarketFault(Protocol):
    """What is wrong now; all zero = nothing. `faults.MarketFaults` is one."""

    @property
    def missing(self) -> float:
        """Share of candles left out, [0, 1]."""
        ...

    @property
    def stale_s(self) -> float:
        """Age of the newest data, seconds."""
        ...

    @property
    def flash_crash(self) -> float:
        """Fall as a share of price, [0, 1)."""
        ...

    @property
    def since(self) -> float:
        """When the flash crash began, epoch seconds."""
        ...


class FaultyMarket:
    """`market` as it looks under the faults that `faults()` returns at each question.

    Which candles are missing depends on pair, timeframe and time alone. A flash crash takes its whole
    depth within its first minute, then recovers with a half-life of ten minutes; smaller candles
    resampled still give the larger. History is whole again once the faults are taken away.
    """

    def __init__(self, market: Market, faults: Callable[[], MarketFault]) -> None:
        self._market = market
        self._faults = faults

    @property
    def pairs(self) -> tuple[str, ...]:
        return self._market.pairs

    @property
    def timeframes(self) -> tuple[str, ...]:
        return self._market.timeframes

    def now(self) -> int:
        return self._market.now()

    def span(self, pair: str) -> tuple[int, int]:
        return self._market.span(pair)

    def price_decimals(self, pair: str) -> int:
        return self._market.price_decimals(pair)

    def candles(self, pair: str, timeframe: str, start: int, end: int) -> Candles:
        fault = self._faults()
        if fault.stale_s:
            end = min(end, self.now() - int(fault.stale_s * 1000))
        candles = self._market.candles(pair, timeframe, start, end)
        if fault.flash_crash:
            candles = self._crashed(candles, pair, timeframe, int(fault.since * 1000), fault.flash_crash)
        if fault.missing:
            candles = candles[_draws(pair, timeframe, candles.time) >= fault.missing]
        return candles

    def _crashed(self, candles: Candles, pair: str, timeframe: str, since: int, depth: float) -> Candles:
        length, base = timeframe_ms(timeframe), self.timeframes[0]
        first = bucket_start(since, length)
        hit = (candles.time >= first) & (candles.time < since + CRASH_OVER)
        if not hit.any():
            return candles
        end = int(candles.time[hit][-1]) + length
        pieces = self._market.candles(pair, base, first, end)
        crashed = resample(
            crash(pieces, timeframe_ms(base), self.price_decimals(pair), since, depth, self.now()), length
        )
        before, after = candles[: int(np.argmax(hit))], candles[candles.time >= since + CRASH_OVER]
        return Candles.concat([before, crashed.between(int(candles.time[hit][0]), end), after])


def crash(candles: Candles, length: int, decimals: int, since: int, depth: float, now: int) -> Candles:
    """The candles (of `length` ms) with prices taken down by the flash crash that began at `since`.

    Price at time t is multiplied by 1 - depth * g(t - since): g rises from 0 to 1 at once, stays for
    `CRASH_HOLD`, then halves every `CRASH_HALF_LIFE`. A candle's close is taken at its end, or `now`.
    """
    ends = np.minimum(candles.time + length, max(now, since + 1))
    begins = np.where(candles.time < since, 1.0, _factor(candles.time, since, depth))
    closes = np.where(ends <= since, 1.0, _factor(ends, since, depth))
    deepest = np.where(ends <= since, 1.0, _factor(np.maximum(candles.time, since), since, depth))
    opened, closed = candles.open * begins, candles.close * closes
    high = np.maximum.reduce([opened, closed, candles.high * np.minimum(begins, closes)])
    high = np.where((candles.time < since) & (ends > since), np.maximum(high, candles.open), high)
    low = np.minimum.reduce([opened, closed, candles.low * deepest])
    opened, high, low, closed = (np.round(price, decimals) for price in (opened, high, low, closed))
    return Candles(candles.time, opened, high, low, closed, candles.volume)


def _factor(time: np.ndarray, since: int, depth: float) -> np.ndarray:
    recovering = np.maximum(time - since - CRASH_HOLD, 0)
    return 1.0 - depth * 0.5 ** (recovering / CRASH_HALF_LIFE)


def _draws(pair: str, timeframe: str, time: np.ndarray) -> np.ndarray:
    """A number in [0, 1) for each candle, always the same one (splitmix64 of pair, timeframe and time)."""
    salt = np.uint64(int.from_bytes(f"{pair} {timeframe}".encode()[-8:], "little"))
    bits = time.astype(np.uint64) + salt + np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((bits ^ (bits >> np.uint64(31))) >> np.uint64(11)) / float(1 << 53)
