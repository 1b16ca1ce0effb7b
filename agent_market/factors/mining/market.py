"""Where a search gets its panel and spans from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd

from agent_market.errors import DataError
from agent_market.factors.mining.records import Span
from agent_market.factors.operators import TIMEFRAMES
from agent_market.factors.panel import CandlePanel

_EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)


def panel_of(
    datadir: Path,
    pairs: Sequence[str],
    timeframe: str,
    trading_mode: str = "spot",
    start: datetime = _EARLIEST,
    end: datetime = _LATEST,
) -> CandlePanel:
    """The candles of a freqtrade data folder that close within `start` and `end`, as a panel.

    :raises DataError: an unknown timeframe, a pair without candles, or candles off the grid.
    """
    from agent_market.candles import load_candles  # noqa: PLC0415 - it imports freqtrade

    if timeframe not in TIMEFRAMES:
        raise DataError(f"the timeframe {timeframe!r} is not known; use one of {', '.join(TIMEFRAMES)}")
    minutes = TIMEFRAMES[timeframe]
    candle = timedelta(minutes=minutes)
    found = load_candles(datadir, pairs, timeframe, trading_mode, start - candle, end - candle)
    missing = [pair for pair in pairs if pair not in found]
    if missing or not pairs:
        raise DataError(
            f"no {timeframe} candles of {', '.join(missing) or 'any pair'} in {datadir}; download them with "
            "`freqtrade download-data`"
        )
    return CandlePanel.from_candles(found, minutes)


def halves(panel: CandlePanel, promote_share: float, start: datetime | None = None) -> tuple[Span, Span]:
    """All the panel's closes (from `start` on) as a span to search and a later span to prove it on.

    :param promote_share: share of the rows, the newest, in the later span.
    :raises DataError: too few rows for both.
    """
    times = panel.times if start is None else panel.times[panel.times >= pd.Timestamp(start)]
    boundary = int(len(times) * (1.0 - promote_share))
    if boundary < 2 or len(times) - boundary < 2:
        raise DataError(f"{len(times)} candles cannot be divided into two spans; download more")
    first, last, edge = (times[i].to_pydatetime() for i in (0, -1, boundary - 1))
    return Span(first, edge), Span(edge, last)
