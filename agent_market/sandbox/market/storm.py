"""A source whose prices move a multiple of what they did, from a moment on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agent_market.errors import SandboxError
from agent_market.sandbox.market.candles import MINUTE, Candles, bucket_start, resample, timeframe_ms
from agent_market.sandbox.market.protocol import Source


@dataclass(frozen=True)
class Storm:
    """`source` with every log return after `since` multiplied by `factor`.

    A price p after `since` becomes q (p / q) ** factor, where q is the price at `since`: rising in p, so that
    high and low stay high and low, and a larger candle is still the smaller ones resampled.

    :param since: milliseconds, on a whole smallest candle within the source's span.
    :param factor: above 0; 1 changes nothing.
    """

    source: Source
    since: int
    factor: float

    def __post_init__(self) -> None:
        if not self.factor > 0.0:
            raise SandboxError(f"a storm multiplies returns by a number above 0, not by {self.factor}")

    @property
    def pairs(self) -> tuple[str, ...]:
        return self.source.pairs

    @property
    def timeframes(self) -> tuple[str, ...]:
        return self.source.timeframes

    def span(self, pair: str) -> tuple[int, int]:
        return self.source.span(pair)

    def price_decimals(self, pair: str) -> int:
        return self.source.price_decimals(pair)

    def candles(self, pair: str, timeframe: str, start: int, end: int) -> Candles:
        """See `Source.candles`."""
        length = timeframe_ms(timeframe)
        calm = self.source.candles(pair, timeframe, start, min(end, bucket_start(self.since, length)))
        first = max(start, bucket_start(self.since, length))
        if first >= end:
            return calm
        base = self.timeframes[0]
        opened = -(-first // length) * length
        pieces = self.source.candles(pair, base, opened, -(-end // length) * length)
        return Candles.concat([calm, resample(self._blown(pair, pieces), length).between(start, end)])

    def _blown(self, pair: str, pieces: Candles) -> Candles:
        base = self.timeframes[0]
        stands = self.source.candles(pair, base, self.since, self.since + MINUTE)
        if not len(stands) or not len(pieces):
            return pieces
        level, after = float(stands.open[0]), pieces.time >= self.since
        decimals = self.price_decimals(pair)
        tick = 10.0**-decimals

        def blow(price: np.ndarray) -> np.ndarray:
            blown = np.maximum(np.round(level * (price / level) ** self.factor, decimals), tick)
            return np.where(after, blown, price)

        opened, high, low, closed = map(blow, (pieces.open, pieces.high, pieces.low, pieces.close))
        return Candles(pieces.time, opened, high, low, closed, pieces.volume)
