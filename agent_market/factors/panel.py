"""Candles of several pairs on one grid of times: what the engine computes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from agent_market.errors import DataError
from agent_market.factors.types import FIELDS, ValueType

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class CandlePanel:
    """Time x pairs, without holes in time.

    `times` is the close of each row (its `asof`), evenly spaced by `minutes`, UTC.  `columns[name]` is a
    float64 array of shape (pairs, times), each pair's history contiguous; what is missing is NaN, and nothing
    is infinite.  `kinds` says what each column measures.  Nothing in a panel is ever changed.
    """

    times: pd.DatetimeIndex
    pairs: tuple[str, ...]
    columns: Mapping[str, Array]
    minutes: int
    kinds: Mapping[str, ValueType] = field(default_factory=lambda: FIELDS)

    def __post_init__(self) -> None:
        shape = (len(self.pairs), len(self.times))
        for name, values in self.columns.items():
            if values.shape != shape or values.dtype != np.float64:
                raise DataError(
                    f"panel column {name!r} is {values.dtype} of shape {values.shape}; "
                    f"it must be float64 of shape {shape}"
                )
        missing = [name for name in self.columns if name not in self.kinds]
        if missing:
            raise DataError(f"panel column {missing[0]!r} has no kind; give one in `kinds`")

    @classmethod
    def from_candles(cls, candles: Mapping[str, pd.DataFrame], minutes: int) -> CandlePanel:
        """Align the candles of several pairs.

        :param candles: per pair a frame with `date` (open time, UTC), open, high, low, close, volume, oldest
            first. A candle that a pair has not is NaN in the panel.
        :param minutes: the timeframe.
        :raises DataError: no candles, a missing column, a date twice or off the grid.
        """
        if not candles or any(frame.empty for frame in candles.values()):
            empty = [pair for pair, frame in candles.items() if frame.empty]
            raise DataError(f"no candles for {empty[0] if empty else 'any pair'}; download some first")
        step = pd.Timedelta(minutes=minutes)
        dates = {pair: _dates(pair, frame) for pair, frame in candles.items()}
        start = min(index[0] for index in dates.values())
        end = max(index[-1] for index in dates.values())
        opens = pd.date_range(start, end, freq=step, unit="ms")
        columns = {name: np.full((len(candles), len(opens)), np.nan) for name in FIELDS}
        for row, (pair, frame) in enumerate(candles.items()):
            where = opens.get_indexer(dates[pair])
            if (where < 0).any():
                odd = dates[pair][where < 0][0]
                raise DataError(f"{pair} has a candle at {odd}, which is off the {minutes}-minute grid")
            for name in FIELDS:
                columns[name][row, where] = _finite(frame, name, pair)
        return cls((opens + step).as_unit("ms"), tuple(candles), columns, minutes)

    def frame(self, values: Array) -> pd.DataFrame:
        """`values` of shape (pairs, times) as a frame: rows are times (closes), columns are pairs."""
        return pd.DataFrame(values.T, index=self.times, columns=list(self.pairs))

    def window(self, start: int, stop: int) -> CandlePanel:
        """Rows `start` to `stop` (not included) as a panel of its own, contiguous as kernels want it."""
        columns = {name: np.ascontiguousarray(values[:, start:stop]) for name, values in self.columns.items()}
        return CandlePanel(self.times[start:stop], self.pairs, columns, self.minutes, self.kinds)

    @cached_property
    def present(self) -> Array:
        """Boolean (pairs, times): where there is a candle."""
        return np.isfinite(self.columns["close"])


def _dates(pair: str, frame: pd.DataFrame) -> pd.DatetimeIndex:
    missing = [name for name in ("date", *FIELDS) if name not in frame]
    if missing:
        raise DataError(f"candles of {pair} have no column {missing[0]!r}")
    dates = pd.DatetimeIndex(pd.to_datetime(frame["date"], utc=True)).tz_convert("UTC").as_unit("ms")
    if not dates.is_monotonic_increasing or dates.has_duplicates:
        raise DataError(f"candles of {pair} are not in order of time, or a date stands twice; sort them")
    return dates


def _finite(frame: pd.DataFrame, name: str, pair: str) -> Array:
    values = frame[name].to_numpy(np.float64)
    if np.isinf(values).any():
        raise DataError(f"{name} of {pair} is infinite at {frame['date'].to_numpy()[np.isinf(values)][0]}")
    return values
