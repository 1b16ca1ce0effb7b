"""The data that a backtest decides on, as a part of its identity: what was made on other data is not reused.

Empty for a live bot, whose models must not be trained anew for each candle or value that comes in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from freqtrade.configuration import TimeRange
from freqtrade.data.history import get_datahandler
from freqtrade.enums import TRADE_MODES, CandleType

from agent_market.books import shelf_digests

_COLUMNS = ("open", "high", "low", "close", "volume")


def context_digest(config: Mapping[str, Any]) -> str:
    """Hash of the values of context series that decisions of this backtest may see.

    Empty without series, and where one cannot be read: the strategy, if it uses them, says which and why.
    """
    return shelf_digests(config, ("context",))["context"]


def candles_digest(config: Mapping[str, Any]) -> str:
    """Hash of the candles that the first window of this backtest trains on, which tell markets apart.

    Those after its start are left out, so that a longer run continues a shorter one.  Empty where the run
    starts at the first candle there is, or has no candles.
    """
    starts = _timerange(config).startts
    if not starts or not config.get("datadir") or config.get("runmode") in TRADE_MODES:
        return ""
    start = pd.Timestamp(starts, unit="s", tz="UTC")
    first = start - pd.Timedelta(days=float(config["freqai"].get("train_period_days", 0)))
    kind = CandleType.get_default(str(config.get("trading_mode") or "spot"))
    handler = get_datahandler(Path(config["datadir"]), config.get("dataformat_ohlcv") or "feather")
    digest, rows = hashlib.sha256(), 0
    for pair in sorted(config["exchange"]["pair_whitelist"]):
        frame = handler.ohlcv_load(
            pair, config["timeframe"], kind, fill_missing=False, drop_incomplete=False, warn_no_data=False
        )
        if frame.empty:
            continue
        frame = frame[(frame["date"] >= first) & (frame["date"] < start)]
        rows += len(frame)
        digest.update(pair.encode())
        digest.update(pd.DatetimeIndex(frame["date"]).as_unit("s").asi8.tobytes())
        digest.update(np.ascontiguousarray(frame[list(_COLUMNS)], dtype=np.float64).tobytes())
    return digest.hexdigest()[:16] if rows else ""


def _timerange(config: Mapping[str, Any]) -> TimeRange:
    return TimeRange.parse_timerange(str(config.get("timerange") or ""))
