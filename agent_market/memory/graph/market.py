"""Close prices by asset from freqtrade's candle files, for the discovery of edges."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
from ccxt import NotSupported
from freqtrade.exchange import timeframe_to_seconds

from agent_market.candles import load_candles
from agent_market.errors import DataError


def closes(
    datadir: Path, pairs: Iterable[str], timeframe: str, asof: datetime, candles: int
) -> dict[str, pd.Series]:
    """The newest `candles` close prices that are complete at `asof`, indexed by the time of the close, UTC.

    :raises DataError: a pair has none, two pairs have the same base asset, or the timeframe is none.
    """
    try:
        length = timedelta(seconds=timeframe_to_seconds(timeframe))
    except (NotSupported, ValueError) as error:
        raise DataError(f"Invalid timeframe {timeframe!r}; use for example 15m, 1h or 1d.") from error
    pairs = list(pairs)
    if not pairs:
        raise DataError("no pairs given; name the pairs of the candles, as --pairs 'BTC/USDT ETH/USDT'")
    start = asof - candles * length
    frames = load_candles(datadir, pairs, timeframe, "spot", start, asof - length)
    missing = [pair for pair in pairs if pair not in frames]
    if missing:
        raise DataError(
            f"no {timeframe} candles of {', '.join(missing)} from {start:%Y-%m-%d %H:%M} to "
            f"{asof:%Y-%m-%d %H:%M} in {datadir}; download them, or give the time of older ones with --asof"
        )
    found: dict[str, pd.Series] = {}
    for pair, frame in frames.items():
        asset = pair.partition("/")[0]
        if asset in found:
            raise DataError(f"two pairs of {asset}: give each asset once, in one currency; got {pairs}")
        found[asset] = pd.Series(frame["close"].to_numpy(), index=pd.DatetimeIndex(frame["date"]) + length)
    return found
