"""Candles as arrays: the record, its timeframes, resampling, and the path inside one candle.

Times are integer milliseconds since the epoch, UTC, as the Binance API counts them. A candle's time is
its *open*; it covers [time, time + timeframe).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from types import MappingProxyType

import numpy as np
import pandas as pd

from agent_market.errors import SandboxError

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY

TIMEFRAMES: Mapping[str, int] = MappingProxyType(
    {
        "1m": MINUTE,
        "3m": 3 * MINUTE,
        "5m": 5 * MINUTE,
        "15m": 15 * MINUTE,
        "30m": 30 * MINUTE,
        "1h": HOUR,
        "2h": 2 * HOUR,
        "4h": 4 * HOUR,
        "6h": 6 * HOUR,
        "8h": 8 * HOUR,
        "12h": 12 * HOUR,
        "1d": DAY,
        "1w": WEEK,
    }
)
"""Every timeframe of fixed length that freqtrade knows and Binance serves, with its milliseconds."""

_FIRST_MONDAY = 4 * DAY  # 1970-01-05; weekly candles open on Mondays, and 1970 began on a Thursday
_COLUMNS = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True, slots=True)
class Candles:
    """Candles of one pair and timeframe, oldest first: arrays of one length, no NaN, no duplicate time.

    `time` is int64 milliseconds; prices and `volume` (in base currency) are float64.
    """

    time: np.ndarray
    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    volume: np.ndarray

    def __len__(self) -> int:
        return len(self.time)

    def __getitem__(self, rows: slice | np.ndarray) -> Candles:
        return Candles(*(getattr(self, column.name)[rows] for column in fields(self)))

    def between(self, start: int, end: int) -> Candles:
        """Candles that open in [start, end)."""
        first, last = np.searchsorted(self.time, [start, end])
        return self[int(first) : int(last)]

    def shifted(self, milliseconds: int) -> Candles:
        """The same prices, so much later."""
        return Candles(self.time + milliseconds, self.open, self.high, self.low, self.close, self.volume)

    def to_frame(self) -> pd.DataFrame:
        """freqtrade's layout: date (UTC, milliseconds), open, high, low, close, volume."""
        date = pd.to_datetime(self.time, unit="ms", utc=True).as_unit("ms")
        return pd.DataFrame({"date": date, **{name: getattr(self, name) for name in _COLUMNS}})

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> Candles:
        """From freqtrade's layout; the caller has checked the columns."""
        time = frame["date"].dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[ms]")
        values = (frame[name].to_numpy(np.float64) for name in _COLUMNS)
        return cls(time.astype(np.int64), *values)

    @classmethod
    def empty(cls) -> Candles:
        return cls(np.empty(0, np.int64), *(np.empty(0) for _ in _COLUMNS))

    @classmethod
    def flat(cls, time: int, price: float) -> Candles:
        """One candle in which nothing was traded."""
        only = np.array([price])
        return cls(np.array([time], np.int64), only, only, only, only, np.zeros(1))

    @classmethod
    def concat(cls, parts: Sequence[Candles]) -> Candles:
        """Parts in time order as one."""
        return cls(*(np.concatenate([getattr(p, c.name) for p in parts]) for c in fields(cls)))


def timeframe_ms(timeframe: str) -> int:
    """Milliseconds of a timeframe.

    :raises SandboxError: for one that is not in `TIMEFRAMES`.
    """
    try:
        return TIMEFRAMES[timeframe]
    except KeyError:
        raise SandboxError(
            f"unknown timeframe {timeframe!r}; the sandbox knows {', '.join(TIMEFRAMES)}"
        ) from None


def utc(time: int) -> str:
    """A time as people read it, for messages."""
    return str(np.datetime64(time, "ms").astype("datetime64[m]")).replace("T", " ")


def bucket_start(time: int, timeframe: int) -> int:
    """Open time of the candle that covers `time`; both in milliseconds."""
    anchor = _FIRST_MONDAY if timeframe == WEEK else 0
    return (time - anchor) // timeframe * timeframe + anchor


def resample(candles: Candles, timeframe: int) -> Candles:
    """Candles of a larger timeframe (milliseconds): first open, highest, lowest, last close, summed volume.

    A bucket without any candle gives none; one with some of its candles is made of those.
    """
    if not len(candles):
        return candles
    anchor = _FIRST_MONDAY if timeframe == WEEK else 0
    bucket = (candles.time - anchor) // timeframe
    first = np.flatnonzero(np.r_[True, np.diff(bucket) != 0])
    last = np.r_[first[1:], len(bucket)] - 1
    return Candles(
        bucket[first] * timeframe + anchor,
        candles.open[first],
        np.maximum.reduceat(candles.high, first),
        np.minimum.reduceat(candles.low, first),
        candles.close[last],
        np.round(np.add.reduceat(candles.volume, first), 8),  # as exactly as Binance tells volumes
    )


_KNOTS = (0.0, 1 / 3, 2 / 3, 1.0)


def path(candle: Candles, fraction: np.ndarray | float, decimals: int) -> np.ndarray:
    """Price at a fraction in [0, 1] of one candle's life, shape of `fraction`.

    A candle says nothing of the way between its four prices. The sandbox takes the straight one: from the
    open to the extreme that lies against the candle's direction at 1/3, to the other at 2/3, to the close.
    So it starts at the open, ends at the close, touches both extremes and never leaves them.
    """
    return np.round(np.interp(fraction, _KNOTS, _turns(candle)), decimals)


def unfinished(candle: Candles, fraction: float, decimals: int) -> Candles:
    """One candle (length 1) as it stood when `fraction` of its life had passed, along `path`.

    Highs only rise, lows only fall and volume only grows with the fraction; at 1 it is the candle itself.
    """
    price = path(candle, fraction, decimals)
    seen = np.array([turn for knot, turn in zip(_KNOTS, _turns(candle), strict=True) if knot <= fraction])
    return Candles(
        candle.time,
        candle.open,
        np.array([max(float(price), seen.max())]),
        np.array([min(float(price), seen.min())]),
        np.array([float(price)]),
        candle.volume * fraction,
    )


def _turns(candle: Candles) -> tuple[float, float, float, float]:
    opened, high = float(candle.open[0]), float(candle.high[0])
    low, closed = float(candle.low[0]), float(candle.close[0])
    return (opened, low, high, closed) if closed >= opened else (opened, high, low, closed)
