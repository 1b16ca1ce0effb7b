"""Candles as freqtrade stores them, and prices and times read from them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from freqtrade.data.history import get_datahandler
from freqtrade.enums import CandleType
from freqtrade.exchange import timeframe_to_seconds


def load_candles(
    datadir: Path, pairs: Iterable[str], timeframe: str, trading_mode: str, start: datetime, end: datetime
) -> dict[str, pd.DataFrame]:
    """Candles with `start <= date <= end` (open times, UTC) of each pair that has any; gaps stay gaps.

    A pair without candles is left out: the caller says so in the report.
    """
    handler = get_datahandler(datadir, "feather")
    found: dict[str, pd.DataFrame] = {}
    for pair in pairs:
        frame = handler.ohlcv_load(
            pair,
            timeframe,
            CandleType.get_default(trading_mode),
            fill_missing=False,
            drop_incomplete=False,
            warn_no_data=False,
        )
        if frame.empty:
            continue
        dates = frame["date"].dt.tz_convert("UTC")
        inside = frame.assign(date=dates)[(dates >= start) & (dates <= end)].reset_index(drop=True)
        if not inside.empty:
            found[pair] = inside
    return found


def closes_at(candles: pd.DataFrame, grid: pd.DatetimeIndex, timeframe: str) -> np.ndarray:
    """Close of the newest candle that is complete at each time of `grid`; NaN before the first one."""
    closed_at = _nanoseconds(pd.DatetimeIndex(candles["date"])) + timeframe_to_seconds(timeframe) * 10**9
    position = np.searchsorted(closed_at, _nanoseconds(grid), side="right") - 1
    closes = candles["close"].to_numpy(dtype=float)
    return np.where(position >= 0, closes[np.maximum(position, 0)], np.nan)


def _nanoseconds(times: pd.DatetimeIndex) -> np.ndarray:
    return np.asarray(times.as_unit("ns").asi8)


def epoch_seconds(dates: pd.Series) -> npt.NDArray[np.int64]:
    """(T,) whole seconds since the epoch, whatever unit and zone the dates are kept in."""
    moments = pd.DatetimeIndex(pd.to_datetime(dates, utc=True)).as_unit("s")
    return moments.asi8.astype(np.int64)
