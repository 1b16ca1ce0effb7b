"""Close prices by asset from freqtrade's candle files, for the discovery of edges."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
from freqtrade.exchange import timeframe_to_seconds

from agent_market.errors import DataError
from agent_market.reports.candles import load_candles


def closes(
    datadir: Path, pairs: Iterable[str], timeframe: str, asof: datetime, candles: int
) -> dict[str, pd.Series]:
    """The newest `candles` close prices that are complete at `asof`, indexed by the time of the close, UTC.

    :raises DataError: no pair has any, or two pairs have the same base asset.
    """
    length = timedelta(seconds=timeframe_to_seconds(timeframe))
    pairs = list(pairs)
    frames = load_candles(datadir, pairs, timeframe, "spot", asof - candles * length, asof - length)
    if not frames:
        raise DataError(
            f"no {timeframe} candles of {', '.join(pairs) or 'no pair'} up to {asof} in {datadir}"
        )
    found: dict[str, pd.Series] = {}
    for pair, frame in frames.items():
        asset = pair.partition("/")[0]
        if asset in found:
            raise DataError(f"two pairs of {asset}: give each asset once, in one currency; got {pairs}")
        found[asset] = pd.Series(frame["close"].to_numpy(), index=pd.DatetimeIndex(frame["date"]) + length)
    return found
