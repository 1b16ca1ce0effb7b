"""Candles for jobs: from the bot's memory, or from freqtrade's files on disk."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
from freqtrade.exchange import timeframe_to_seconds
from freqtrade.strategy import IStrategy

from agent_market.candles import load_candles

Prices = Callable[[str, datetime], pd.DataFrame]
"""Maps (pair, start) to complete candles from `start` on: date (OPEN time), open, high, low, close, volume.

The frame is empty where there are none.
"""


def prices_of_bot(strategy: IStrategy) -> Prices:
    """Return candles from the bot's memory, where freqtrade has dropped the incomplete one."""

    def prices(pair: str, start: datetime) -> pd.DataFrame:
        frame: pd.DataFrame = strategy.dp.get_pair_dataframe(pair, strategy.timeframe)
        return frame[frame["date"] >= start] if len(frame) else frame

    return prices


def prices_on_disk(datadir: Path, timeframe: str, trading_mode: str, now: datetime) -> Prices:
    """Return candles in `datadir` that have closed by `now`."""
    length = timedelta(seconds=timeframe_to_seconds(timeframe))

    def prices(pair: str, start: datetime) -> pd.DataFrame:
        found = load_candles(datadir, [pair], timeframe, trading_mode, start, now - length)
        return found.get(pair, pd.DataFrame())

    return prices
