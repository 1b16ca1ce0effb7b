"""The data that a backtest decides on, as a part of its identity: what was made on other data is not reused.

Empty for a live bot, whose models must not be retrained for each candle or value that comes in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from freqtrade.configuration import TimeRange
from freqtrade.data.history import get_datahandler
from freqtrade.enums import TRADE_MODES, CandleType

from agent_market.universe import market_leader, series_on_disk, universe_of

_OHLCV = (CandleType.SPOT, CandleType.FUTURES)
ALL_SERIES_KEY = "agent_market_all_series"
"""Config key: the strategy's code may read any candles on disk, so all of them count."""


@dataclass(frozen=True, slots=True)
class CandleDigests:
    """Hashes of every series that a backtest reads, each empty without candles.

    `before` covers the candles that open before the end of the time range, on which FreqAI trains and agents
    decide; `through` also the one that opens at it, on whose prices freqtrade still trades.
    """

    before: str
    through: str


def candle_digests(config: Mapping[str, Any], until: int | None = None) -> CandleDigests:
    """Hash the candles, funding rates and mark prices that a backtest of `config` reads.

    These are all timeframes that the config names, for the traded pairs, `include_corr_pairlist` and the
    market's leader; with
    futures, their funding and mark prices; and every series on disk where the strategy may read any
    (`ALL_SERIES_KEY`).  Candles after the end are left out, so that a longer run continues a shorter one.

    :param until: seconds since the epoch in place of the end of the time range; 0 takes all candles.
    """
    if config.get("runmode") in TRADE_MODES:
        return CandleDigests("", "")
    end = _timerange(config).stopts if until is None else until
    before, through, rows = hashlib.sha256(), hashlib.sha256(), 0
    for pair, timeframe, kind, state in _series_read(config):
        one = _series_digest(str(config["datadir"]), _format(config), pair, timeframe, kind, state, end)
        rows += one.rows
        for digest, part in ((before, one.before), (through, one.through)):
            digest.update(f"{pair}|{timeframe}|{kind}|{part};".encode())
    if not rows:
        return CandleDigests("", "")
    return CandleDigests(before.hexdigest()[:16], through.hexdigest()[:16])


def candles_digest(config: Mapping[str, Any]) -> str:
    """`candle_digests` of the candles before the end of the time range: what predictions are made from."""
    return candle_digests(config).before


def end_of(config: Mapping[str, Any]) -> int:
    """The end of the time range in seconds since the epoch; 0 where it is open."""
    return int(_timerange(config).stopts)


def _series_read(config: Mapping[str, Any]) -> Iterator[tuple[str, str, CandleType, tuple[int, int]]]:
    """(pair, timeframe, candle type, state of its file) of what the run reads, of that which is on disk."""
    freqai = config.get("freqai") or {}
    features = freqai.get("feature_parameters") or {}
    corr = features.get("include_corr_pairlist") or ()
    pairs = {*universe_of(config), *corr, market_leader(config)}
    named = {
        config.get("timeframe"),
        config.get("timeframe_detail"),
        *(features.get("include_timeframes") or ()),
    }
    for pair, timeframe, kind in series_on_disk(config):
        is_read = pair in pairs and (kind not in _OHLCV or timeframe in named)
        if is_read or config.get(ALL_SERIES_KEY):
            yield pair, timeframe, kind, _state(config, pair, timeframe, kind)


def _state(config: Mapping[str, Any], pair: str, timeframe: str, kind: CandleType) -> tuple[int, int]:
    """(modification time in ns, size) of a series' file: the same state is hashed once in a process."""
    handler = get_datahandler(Path(config["datadir"]), _format(config))
    stat = handler._pair_data_filename(Path(config["datadir"]), pair, timeframe, kind).stat()
    return stat.st_mtime_ns, stat.st_size


@dataclass(frozen=True, slots=True)
class _SeriesDigest:
    rows: int
    before: str
    through: str


@lru_cache(maxsize=4096)
def _series_digest(
    datadir: str, form: str, pair: str, timeframe: str, kind: CandleType, state: tuple[int, int], end: int
) -> _SeriesDigest:
    frame = get_datahandler(Path(datadir), form).ohlcv_load(
        pair, timeframe, kind, fill_missing=False, drop_incomplete=False, warn_no_data=False
    )
    if frame.empty:
        return _SeriesDigest(0, "", "")
    opens = pd.DatetimeIndex(frame["date"]).as_unit("s").asi8
    values = frame.drop(columns=["date"])
    cut = int(np.searchsorted(opens, end)) if end else len(opens)
    last = int(np.searchsorted(opens, end, side="right")) if end else len(opens)
    names = ",".join(map(str, values.columns)).encode()
    table = np.ascontiguousarray(values.to_numpy(dtype=np.float64))
    digest = hashlib.sha256(names)
    digest.update(opens[:cut].tobytes())
    digest.update(table[:cut].tobytes())
    before = digest.hexdigest()
    digest.update(opens[cut:last].tobytes())
    digest.update(table[cut:last].tobytes())
    return _SeriesDigest(last, before, digest.hexdigest())


def _format(config: Mapping[str, Any]) -> str:
    return str(config.get("dataformat_ohlcv") or "feather")


def _timerange(config: Mapping[str, Any]) -> TimeRange:
    return TimeRange.parse_timerange(str(config.get("timerange") or ""))
