"""Which candles call for a decision: a steady cadence, and a trigger for large moves in between.

A model asked at every candle costs much and says little new. A decision is due on every candle of a fixed
grid, and between them when the price has left the last decision behind by more than noise explains.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from agent_market.config import DecisionSettings
from agent_market.errors import DataError
from agent_market.utils.arrays import Floats, Ints


@dataclass(frozen=True, slots=True)
class LastDecision:
    """The newest decision made: the close time of its candle, in seconds since the epoch, and the close."""

    time: int
    close: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.close) and self.close > 0.0):
            raise DataError(f"the last decision, at {self.time} s, was made at no valid price: {self.close}")


def decision_points(
    times: Ints,
    close: Floats,
    volatility: Floats,
    timeframe_s: int,
    settings: DecisionSettings,
    last: LastDecision | None,
) -> Ints:
    """Rows on which a decision is due.

    A row is due if its candle lies on the grid, `(time // timeframe_s) % cadence_candles == 0`, or if at
    least `gate_min_candles` candles passed since the last decision and
    `|ln(close / close then)| > gate_move * volatility * sqrt(candles since)`. The grid starts at the
    epoch, so that it does not depend on where the data starts; the first decision falls on it. Candles
    are counted by time, so a gap counts as the candles that it lacks.

    :param times: (T,) close times in seconds since the epoch, strictly increasing.
    :param close: (T,) closes.
    :param volatility: (T,) standard deviation of the log return of one candle. A row where it or the
        close is unknown (NaN, close <= 0) is never due.
    :param last: the decision before these rows; rows up to its time are not due again. Carrying it over
        makes two calls on consecutive chunks equal one call on both (see `last_decision`).
    :return: row numbers, increasing.
    :raises DataError: lengths differ, or times do not increase.
    """
    _check(times, close, volatility)
    usable = np.isfinite(close) & (close > 0.0) & np.isfinite(volatility)
    candle = times // timeframe_s
    on_grid = candle % settings.cadence_candles == 0
    log_close = np.log(close, out=np.zeros(len(close)), where=usable)
    gate_squared = (settings.gate_move * volatility) ** 2

    # One pass in plain Python: each due row moves the anchor of the next, and lists beat arrays here.
    due: list[int] = []
    then, anchor = (None, 0.0) if last is None else (last.time // timeframe_s, math.log(last.close))
    rows = np.flatnonzero(usable & (times > last.time) if last is not None else usable)
    columns = (candle[rows], on_grid[rows], log_close[rows], gate_squared[rows])
    for row, now, grid, price, variance in zip(rows.tolist(), *(c.tolist() for c in columns), strict=True):
        if not grid:
            if then is None or now - then < settings.gate_min_candles:
                continue
            if (price - anchor) ** 2 <= variance * (now - then):
                continue
        due.append(row)
        then, anchor = now, price
    return np.asarray(due, dtype=np.int64)


def last_decision(times: Ints, close: Floats, points: Ints, last: LastDecision | None) -> LastDecision | None:
    """What to hand to the next chunk's `decision_points` after this chunk gave `points`."""
    if not len(points):
        return last
    return LastDecision(int(times[points[-1]]), float(close[points[-1]]))


def _check(times: Ints, close: Floats, volatility: Floats) -> None:
    if not len(times) == len(close) == len(volatility):
        raise DataError(
            f"{len(times)} times, {len(close)} closes and {len(volatility)} volatilities: lengths must agree"
        )
    backward = np.flatnonzero(np.diff(times) <= 0)
    if len(backward):
        row = int(backward[0]) + 1
        raise DataError(
            f"candle times must increase, but row {row} has {times[row]} after {times[row - 1]}; "
            "sort the candles and drop duplicates"
        )
