"""What a source of candles and a market are.

Times are integer milliseconds since the epoch, UTC; a candle's time is its open.
"""

from __future__ import annotations

from typing import Protocol

from agent_market.sandbox.market.candles import Candles


class Source(Protocol):
    """Finished candles over a fixed span. It has no clock: it holds the future of a replay too."""

    @property
    def pairs(self) -> tuple[str, ...]:
        """Pairs as freqtrade writes them ("BTC/USDT")."""
        ...

    @property
    def timeframes(self) -> tuple[str, ...]:
        """Timeframes that every pair can be served in, smallest first."""
        ...

    def span(self, pair: str) -> tuple[int, int]:
        """Open of the first candle, close of the last."""
        ...

    def price_decimals(self, pair: str) -> int:
        """Decimal places of every price of the pair; the tick is 10 ** -decimals."""
        ...

    def candles(self, pair: str, timeframe: str, start: int, end: int) -> Candles:
        """Candles that open in [start, end); a gap in the data is a gap in the answer.

        The same candle whatever range it was asked in, and a larger timeframe is the smaller resampled.

        :raises SandboxError: for a pair or timeframe that is not served.
        """
        ...


class Market(Protocol):
    """A source seen at `now`: candles opened by then, the newest of them still forming."""

    @property
    def pairs(self) -> tuple[str, ...]: ...

    @property
    def timeframes(self) -> tuple[str, ...]: ...

    def now(self) -> int:
        """The market's clock."""
        ...

    def span(self, pair: str) -> tuple[int, int]:
        """Open of the first candle, and the time up to which there are prices (at most `now`)."""
        ...

    def price_decimals(self, pair: str) -> int: ...

    def candles(self, pair: str, timeframe: str, start: int, end: int) -> Candles:
        """As `Source.candles`, without anything after `now`; the candle that covers `now` is unfinished."""
        ...
