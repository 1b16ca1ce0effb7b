"""Candles, features and funding as the arrays that every account of an environment reads.

Nothing in here looks ahead: row t holds what is known at the close of candle t, and the funding that is due
while it is open.  Features come from the caller, who answers for their being causal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from agent_market.candles import epoch_seconds
from agent_market.errors import DataError
from agent_market.risk.stops import average_true_range
from agent_market.utils.arrays import Floats

CANDLE = np.dtype(
    [
        ("open", np.float64),
        ("close", np.float64),
        ("funding_open", np.float64),  # due at the open, in stake currency per unit held long
        ("funding_inside", np.float64),  # due after the open and before the next one
    ]
)

RANGE = np.dtype(
    [
        ("high", np.float64),
        ("low", np.float64),
        ("atr", np.float64),  # known at the close, in price units; NaN: unknown, the stop's ceiling holds
        ("take", np.bool_),  # whether what is held is to be closed at the next open
    ]
)

Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class MarketArrays:
    """One or more stretches of candles, one after the other, shared by all accounts and never written to."""

    times: Int64
    """(T,) open time of each candle, seconds since the epoch."""
    candles: np.ndarray
    """(T,) of dtype `CANDLE`."""
    features: npt.NDArray[np.float32]
    """(T, F) what is known at each candle's close; finite."""
    names: tuple[str, ...]
    """The F features' names."""
    stretches: Int64
    """(S, 2) first row of each stretch, and the row after its last. No episode leaves its stretch."""
    ranges: np.ndarray | None = None
    """(T,) of dtype `RANGE`, for stops and `take`; None where no account has them."""

    def __len__(self) -> int:
        return len(self.times)

    def episodes(self, window: int, length: int | None) -> tuple[Int64, Int64]:
        """Where an episode may start and where it then ends.

        :param window: rows of features that the first observation needs.
        :param length: candles of an episode; a shorter stretch is one episode. None: whole stretches.
        :return: (E,) rows of the first decision, and (E,) rows of the candle that closes the episode.
        :raises DataError: if no stretch has the three rows beyond the window that an episode needs.
        """
        firsts, lasts = [], []
        for start, stop in self.stretches:
            first, last = start + window - 1, stop - 1
            if last - first < 2:
                continue
            span = last - first if length is None else min(length, last - first)
            starts = np.arange(first, last - span + 1, dtype=np.int64)
            firsts.append(starts)
            lasts.append(starts + span)
        if not firsts:
            longest = int((self.stretches[:, 1] - self.stretches[:, 0]).max(initial=0))
            raise DataError(
                f"no stretch of candles is long enough for an episode: the longest has {longest}, and a "
                f"window of {window} needs {window + 2}; give more candles or a shorter window"
            )
        return np.concatenate(firsts), np.concatenate(lasts)


def price_ranges(
    candles: pd.DataFrame, atr_candles: int = 14, take: npt.NDArray[np.bool_] | None = None
) -> np.ndarray:
    """What stops and `take` read of each candle, of dtype `RANGE`.

    :param candles: (T rows) `high`, `low`, `close`, from the first candle known on: the ATR has a memory.
    :param atr_candles: candles of the average true range, as `StopRule.atr_candles`.
    :param take: (T,) whether to close at the open after each candle; None never does.
    :raises DataError: for a candle whose high is below its low, or that has a price that is no number.
    """
    high, low, close = (candles[name].to_numpy(dtype=float) for name in ("high", "low", "close"))
    bad = ~((low > 0.0) & (low <= high) & np.isfinite(high) & np.isfinite(close))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise DataError(
            f"candle {row} has high {high[row]}, low {low[row]} and close {close[row]}; mend or drop it"
        )
    table = np.zeros(len(candles), RANGE)
    table["high"], table["low"] = high, low
    table["atr"] = average_true_range(high, low, close, atr_candles)
    if take is not None:
        table["take"] = take
    return table


def market_arrays(
    candles: pd.DataFrame,
    features: pd.DataFrame,
    funding: tuple[Floats, Floats] | None = None,
    ranges: np.ndarray | None = None,
) -> MarketArrays:
    """One pair's market.

    :param candles: (T rows) `date` (open time, UTC), `open`, `close`, in order of time.
    :param features: (T rows) one column a feature, on the same rows; leading rows with a NaN are the warm-up
        and are left out.
    :param funding: (T,) due at the open and (T,) due inside each candle, see `funding_due`; None is none.
    :param ranges: (T,) for stops and `take`, see `price_ranges`; None is none.
    :raises DataError: for rows that do not match, candles out of order, prices that are no positive numbers,
        and a NaN or infinity after the warm-up.
    """
    if len(candles) != len(features):
        raise DataError(f"{len(candles)} candles and {len(features)} rows of features; give one row for each")
    if ranges is not None and len(ranges) != len(candles):
        raise DataError(f"{len(candles)} candles and {len(ranges)} ranges; give one for each")
    values = np.ascontiguousarray(features.to_numpy(dtype=np.float32))
    known = np.flatnonzero(np.isfinite(values).all(axis=1))
    first = int(known[0]) if len(known) else len(values)
    times = epoch_seconds(candles["date"])[first:]
    table = np.zeros(len(times), CANDLE)
    for column in ("open", "close"):
        table[column] = candles[column].to_numpy(dtype=float)[first:]
    if funding is not None:
        table["funding_open"], table["funding_inside"] = (part[first:] for part in funding)
    _check(times, table, values[first:], tuple(map(str, features.columns)))
    return MarketArrays(
        times,
        table,
        np.ascontiguousarray(values[first:]),
        tuple(map(str, features.columns)),
        np.array([[0, len(times)]], dtype=np.int64),
        None if ranges is None else np.ascontiguousarray(ranges[first:]),
    )


def join_markets(markets: Sequence[MarketArrays]) -> MarketArrays:
    """Several pairs (or spans) as one market of several stretches.

    :raises DataError: if there is none, their features differ, or only some have ranges.
    """
    if not markets:
        raise DataError("no market to join; give at least one")
    for market in markets[1:]:
        if market.names != markets[0].names:
            raise DataError(
                f"markets with other features, {market.names} and {markets[0].names}; use one set"
            )
    ranges = [m.ranges for m in markets if m.ranges is not None]
    if len(ranges) not in (0, len(markets)):
        raise DataError(f"{len(ranges)} of {len(markets)} markets have ranges; give them to all or to none")
    offsets = np.cumsum([0, *(len(m) for m in markets[:-1])])
    return MarketArrays(
        np.concatenate([m.times for m in markets]),
        np.concatenate([m.candles for m in markets]),
        np.concatenate([m.features for m in markets]),
        markets[0].names,
        np.concatenate([m.stretches + at for m, at in zip(markets, offsets, strict=True)]),
        np.concatenate(ranges) if ranges else None,
    )


def funding_due(times: Int64, timeframe_s: int, events: pd.DataFrame) -> tuple[Floats, Floats]:
    """Funding per unit of base currency held long, at each candle's open and inside it.

    :param times: (T,) open times, seconds.
    :param timeframe_s: length of a candle, seconds.
    :param events: `date`, `rate` (fraction of the position's value, positive: longs pay) and `mark` (price).
    :return: (T,) and (T,) in stake currency; events outside all candles are left out.
    """
    at = epoch_seconds(events["date"])
    due = events["rate"].to_numpy(dtype=float) * events["mark"].to_numpy(dtype=float)
    row = np.searchsorted(times, at, side="right") - 1
    held = (row >= 0) & (at < times[row] + timeframe_s) if len(times) else np.zeros(len(at), dtype=bool)
    opens, inside = np.zeros(len(times)), np.zeros(len(times))
    exact = held & (at == times[row]) if len(times) else held
    np.add.at(opens, row[exact], due[exact])
    np.add.at(inside, row[held & ~exact], due[held & ~exact])
    return opens, inside


def _check(times: Int64, table: np.ndarray, values: np.ndarray, names: tuple[str, ...]) -> None:
    if not len(times):
        raise DataError("no candle has all its features; give more candles than the features' warm-up")
    late = np.flatnonzero(np.diff(times) <= 0)
    if len(late):
        raise DataError(
            f"candles out of order or twice at {pd.Timestamp(times[late[0] + 1], unit='s')}; sort them"
        )
    for column in CANDLE.names or ():
        bad = ~np.isfinite(table[column])
        if column in ("open", "close"):
            bad |= ~(table[column] > 0.0)
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            when = pd.Timestamp(times[row], unit="s")
            raise DataError(f"{column} is {table[column][row]} at {when}; mend or drop that candle")
    holes = np.argwhere(~np.isfinite(values))
    if len(holes):
        row, column_at = (int(i) for i in holes[0])
        when = pd.Timestamp(times[row], unit="s")
        raise DataError(
            f"feature {names[column_at]} is {values[row, column_at]} at {when}; fill it or drop it"
        )
