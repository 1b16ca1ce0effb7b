"""A market with something wrong with it: candles left out, data that is old, a flash crash."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from agent_market.sandbox.market.candles import HOUR, MINUTE, Candles, bucket_start, resample, timeframe_ms
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
    depth at once, holds for a minute, recovers with a half-life of ten, and is over after three hours.
    Larger candles are still the smaller resampled. History is whole again once a fault is taken away.
    A standing market shows no flash crash: it stands before every moment at which one can be switched on.
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
        fault, length = self._faults(), timeframe_ms(timeframe)
        candles = self._market.candles(pair, timeframe, start, end)
        begins = [self.now() - int(fault.stale_s * 1000)] if fault.stale_s else []
        if fault.flash_crash:
            begins.append(int(fault.since * 1000))
        if begins:
            sound = candles.time < bucket_start(min(begins), length)
            touched = candles[~sound]
            if len(touched):
                first, last = int(touched.time[0]), int(touched.time[-1]) + length
                pieces = self._pieces(pair, first, last, fault)
                candles = Candles.concat([candles[sound], resample(pieces, length)])
        if fault.missing:
            candles = candles[_draws(pair, timeframe, candles.time) >= fault.missing]
        return candles

    def _pieces(self, pair: str, start: int, end: int, fault: MarketFault) -> Candles:
        """Candles of the smallest timeframe as the fault leaves them; the last stale one is shown whole."""
        base, now = self.timeframes[0], self.now() - int(fault.stale_s * 1000)
        pieces = self._market.candles(pair, base, start, min(end, now + 1))
        if fault.flash_crash:
            since, decimals = int(fault.since * 1000), self.price_decimals(pair)
            pieces = crash(pieces, timeframe_ms(base), decimals, since, fault.flash_crash, self.now())
        return pieces


def crash(candles: Candles, length: int, decimals: int, since: int, depth: float, now: int) -> Candles:
    """The candles (of `length` ms) with prices taken down by the flash crash that began at `since`.

    The price at time t >= since is multiplied by 1 - depth * 0.5 ** ((t - since - hold) / half-life), by
    1 - depth within the hold, and by 1 once the crash is over. A candle's close stands at its end, or now.
    """
    ends = np.minimum(candles.time + length, now)
    at_open, at_close = _factor(candles.time, since, depth), _factor(ends, since, depth)
    deepest = np.where(ends < since, 1.0, _factor(np.maximum(candles.time, since), since, depth))
    opened, closed = candles.open * at_open, candles.close * at_close
    high = np.maximum.reduce([opened, closed, candles.high * np.minimum(at_open, at_close)])
    low = np.minimum.reduce([opened, closed, candles.low * deepest])
    opened, high, low, closed = (np.round(price, decimals) for price in (opened, high, low, closed))
    return Candles(candles.time, opened, high, low, closed, candles.volume)


def _factor(time: np.ndarray, since: int, depth: float) -> np.ndarray:
    passed = time - since
    falling = depth * 0.5 ** (np.maximum(passed - CRASH_HOLD, 0) / CRASH_HALF_LIFE)
    return np.where((passed < 0) | (passed >= CRASH_OVER), 1.0, 1.0 - falling)


def _draws(pair: str, timeframe: str, time: np.ndarray) -> np.ndarray:
    """A number in [0, 1) for each candle, always the same one (splitmix64 of pair, timeframe and time)."""
    salt = np.uint64(int.from_bytes(f"{pair} {timeframe}".encode()[-8:], "little"))
    bits = time.astype(np.uint64) + salt + np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((bits ^ (bits >> np.uint64(31))) >> np.uint64(11)) / float(1 << 53)
