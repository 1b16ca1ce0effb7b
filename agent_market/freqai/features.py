"""From candles to the columns that FreqAI trains on and agents see.

Columns named `%-<feature>` are trained on.  Columns named `view-<name>` (turbulence) and
`context-<name>` (dated series) are seen by the agents only: they may be absent, and FreqAI would drop
every row on which a trained feature is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from agent_market.features.features import FEATURES, TRAINED, market_features
from agent_market.features.turbulence import turbulence
from agent_market.perception.context import ContextBook

VIEW = "view-"
CONTEXT = "context-"


def add_trained_features(candles: pd.DataFrame) -> pd.DataFrame:
    """The candles with one `%-<name>` column for each entry of `features.features.FEATURES`."""
    return _join(candles, market_features(candles).add_prefix(TRAINED))


def add_context(candles: pd.DataFrame, book: ContextBook, timeframe_s: int) -> pd.DataFrame:
    """The candles with one `context-<name>` column a series, as known at each candle's close."""
    closes = pd.DatetimeIndex(candles["date"]) + pd.Timedelta(seconds=timeframe_s)
    columns = book.columns(closes).set_axis(candles.index, axis=0)
    return _join(candles, columns.add_prefix(CONTEXT))


def add_turbulence(candles: pd.DataFrame, peers: Mapping[str, pd.DataFrame], window: int) -> pd.DataFrame:
    """The candles with `view-turbulence*`, from the returns of all `peers` (frames with date and close).

    With fewer than two peers there is no cross-section, and no column is added.
    """
    if len(peers) < 2:
        return candles
    closes = pd.DataFrame({pair: frame.set_index("date")["close"] for pair, frame in peers.items()})
    stress = turbulence(closes.apply(np.log).diff(), window)
    aligned = stress.reindex(pd.DatetimeIndex(candles["date"])).set_axis(candles.index, axis=0)
    return _join(candles, aligned.add_prefix(VIEW))


def peer_frames(pairs: Iterable[str], load: Callable[[str], pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Date and close of each pair that has candles; a pair without any is left out."""
    frames = {pair: load(pair) for pair in pairs}
    return {pair: frame[["date", "close"]] for pair, frame in frames.items() if len(frame)}


def has_trained_features(dataframe: pd.DataFrame) -> bool:
    """Whether the strategy has added every feature of `FEATURES` (`add_trained_features`)."""
    return all(f"{TRAINED}{spec.name}" in dataframe for spec in FEATURES)


def seen_features(dataframe: pd.DataFrame) -> pd.DataFrame:
    """What agents see of each row: named features without their prefixes (NaN = unknown)."""
    trained = [f"{TRAINED}{spec.name}" for spec in FEATURES if f"{TRAINED}{spec.name}" in dataframe]
    return _stripped(dataframe, trained, TRAINED).join(_prefixed(dataframe, VIEW))


def seen_context(dataframe: pd.DataFrame) -> pd.DataFrame:
    """The dated context of each row (NaN = not known then)."""
    return _prefixed(dataframe, CONTEXT)


def _prefixed(dataframe: pd.DataFrame, prefix: str) -> pd.DataFrame:
    names = [c for c in dataframe.columns if str(c).startswith(prefix)]
    return _stripped(dataframe, names, prefix)


def _stripped(dataframe: pd.DataFrame, names: Sequence[str], prefix: str) -> pd.DataFrame:
    return dataframe[list(names)].rename(columns=lambda name: name.removeprefix(prefix))


def _join(candles: pd.DataFrame, columns: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([candles.drop(columns=columns.columns, errors="ignore"), columns], axis=1)
