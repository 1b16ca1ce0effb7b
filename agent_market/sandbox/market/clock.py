"""The two clocks that can stand before a source: one that stands still, one that runs with the wall clock."""

from __future__ import annotations

import time
from collections.abc import Callable

from agent_market.errors import SandboxError
from agent_market.sandbox.market.candles import (
    WEEK,
    Candles,
    bucket_start,
    resample,
    timeframe_ms,
    unfinished,
)
from agent_market.sandbox.market.protocol import Source


def wall_clock() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


class StandingMarket:
    """A source at the instant its last candle closed, for downloads and backtests.

    An exchange always shows a candle that is still forming, and freqtrade always drops the last one it
    gets. So the next candle stands there just opened: the last close as its only price, nothing traded.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._now = max(source.span(pair)[1] for pair in source.pairs)

    @property
    def pairs(self) -> tuple[str, ...]:
        return self._source.pairs

    @property
    def timeframes(self) -> tuple[str, ...]:
        return self._source.timeframes

    def now(self) -> int:
        return self._now

    def span(self, pair: str) -> tuple[int, int]:
        return self._source.span(pair)

    def price_decimals(self, pair: str) -> int:
        return self._source.price_decimals(pair)

    def candles(self, pair: str, timeframe: str, start: int, end: int) -> Candles:
        known = self._source.candles(pair, timeframe, start, min(end, self._now))
        closed = self._source.span(pair)[1]
        forming = bucket_start(closed, timeframe_ms(timeframe))
        if forming != closed or not start <= forming < end:
            return known  # the source's own last bucket is the forming one, or it was not asked for
        base = self.timeframes[0]
        last = self._source.candles(pair, base, closed - timeframe_ms(base), closed)
        return Candles.concat([known, Candles.flat(forming, float(last.close[-1]))])


class LiveMarket:
    """A source whose newest candle advances with the clock.

    :param source: the candles, those of the time to come included.
    :param shift: how many milliseconds later than in the source everything happens; a whole number of
        weeks, so that candles of every timeframe stay on their grid. See `replay_shift`.
    :param clock: milliseconds since the epoch; the wall clock unless a test brings its own.

    Inside the smallest candle the price follows `candles.path`. Once the source's span is used up, the
    market falls silent: its last candle grows old, as on an exchange that stopped.
    """

    def __init__(self, source: Source, shift: int = 0, clock: Callable[[], int] = wall_clock) -> None:
        if shift % WEEK:
            raise SandboxError(f"a live replay is shifted by whole weeks, not by {shift} ms")
        self._source = source
        self._shift = shift
        self._clock = clock

    @property
    def pairs(self) -> tuple[str, ...]:
        return self._source.pairs

    @property
    def timeframes(self) -> tuple[str, ...]:
        return self._source.timeframes

    def now(self) -> int:
        return self._clock()

    def span(self, pair: str) -> tuple[int, int]:
        first, last = self._source.span(pair)
        return first + self._shift, min(last + self._shift, self.now())

    def price_decimals(self, pair: str) -> int:
        return self._source.price_decimals(pair)

    def candles(self, pair: str, timeframe: str, start: int, end: int) -> Candles:
        now = self.now() - self._shift
        start, end = start - self._shift, end - self._shift
        forming = bucket_start(now, timeframe_ms(timeframe))
        parts = [self._source.candles(pair, timeframe, start, min(end, forming))]
        if start <= forming < end:
            parts.append(self._forming(pair, timeframe, forming, now))
        return Candles.concat(parts).shifted(self._shift)

    def _forming(self, pair: str, timeframe: str, opened: int, now: int) -> Candles:
        """The candle of `timeframe` that covers `now`, from the smaller ones that make it up so far."""
        base = self.timeframes[0]
        length = timeframe_ms(base)
        pieces = self._source.candles(pair, base, opened, now + 1)
        if not len(pieces):
            return pieces
        passed = now - int(pieces.time[-1])
        if passed < length:
            current = unfinished(pieces[-1:], passed / length, self.price_decimals(pair))
            pieces = Candles.concat([pieces[:-1], current])
        return resample(pieces, timeframe_ms(timeframe))


def replay_shift(replay_from: int, now: int) -> int:
    """Shift of a live replay that shows, at `now`, data time `replay_from` or up to a week later."""
    return (now - replay_from) // WEEK * WEEK
