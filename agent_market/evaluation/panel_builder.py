"""From candles to a panel: what the agents said at every moment of a grid, and what the market then did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np
import pandas as pd
from freqtrade.misc import pair_to_filename

from agent_market.decision.panel import DecisionPanel
from agent_market.errors import DataError
from agent_market.evaluation.baseline_agents import AGENTS, ask
from agent_market.features.features import VOLATILITY_FLOOR, market_features
from agent_market.features.regime import REGIMES, TREND_THRESHOLD, WILD_PERCENTILE
from agent_market.features.state import state_matrix
from agent_market.utils.arrays import Floats, Ints


@dataclass(frozen=True, slots=True)
class Grid:
    """When decisions are made and filled.

    A decision every `every` candles, counted from the epoch; filled at the open of the candle that opens at
    the moment of decision, `delay` candles later.
    """

    timeframe_s: int
    every: int
    delay: int = 0

    @property
    def period_s(self) -> int:
        return self.timeframe_s * self.every


def read_candles(folder: Path, pairs: Sequence[str], timeframe: str) -> dict[str, pd.DataFrame]:
    """Candles as freqtrade stores them, by pair: `BTC_USDT-1h.feather`, and for BTC/USDT:USDT
    `futures/BTC_USDT_USDT-1h-futures.feather`.

    :raises DataError: a file is missing; the message names those that are there.
    """
    candles = {}
    for pair in pairs:
        name = f"{pair_to_filename(pair)}-{timeframe}"
        path = folder / (f"futures/{name}-futures.feather" if ":" in pair else f"{name}.feather")
        if not path.is_file():
            there = ", ".join(sorted(p.name for p in path.parent.glob("*.feather"))) or "none"
            raise DataError(f"no candles of {pair} at {path}; in that folder: {there}")
        frame = pd.read_feather(path)
        frame["date"] = pd.to_datetime(frame["date"], utc=True).dt.as_unit("s")
        candles[pair] = frame
    return candles


def build_panel(candles: Mapping[str, pd.DataFrame], grid: Grid, seed: int = 0) -> DecisionPanel:
    """All pairs' decisions on the moments that every pair has candles for, from the first described one on.

    The last moments are left out: their return is not known from these candles. In a gap of a pair's candles
    its agents sleep, and fills wait for the first candle after it.

    :param seed: of the random agent.
    :raises DataError: candles are malformed or fewer than two decisions are left.
    """
    series = {pair: _Series.of(frame, grid) for pair, frame in candles.items()}
    begin = max(int(s.closes[0]) for s in series.values())
    end = min(int(s.closes[-1]) for s in series.values()) - grid.timeframe_s * grid.delay
    first = -(-begin // grid.period_s) * grid.period_s
    # One moment more than decisions: the return of the last ends at it.
    moments = np.arange(first, end, grid.period_s, dtype=np.int64)
    if len(moments) < 3:
        raise DataError(f"{len(moments)} moments of decision in these candles; give a longer span")
    parts = [_pair(series[pair], moments, grid, [seed, crc32(pair.encode())]) for pair in series]
    panel = DecisionPanel(
        times=moments[:-1],
        pairs=tuple(series),
        experts=AGENTS,
        **{name: np.stack([part[name] for part in parts], axis=1) for name in parts[0]},
    )
    described = np.flatnonzero(panel.awake.any(axis=(1, 2)))
    if not len(described):
        raise DataError("no moment has all its features; give candles beyond the warm-up")
    return panel.rows(slice(int(described[0]), None))


@dataclass(frozen=True, slots=True)
class _Series:
    opens: Ints
    closes: Ints
    open: Floats
    close: Floats
    features: pd.DataFrame

    @classmethod
    def of(cls, frame: pd.DataFrame, grid: Grid) -> _Series:
        opens = pd.DatetimeIndex(frame["date"]).as_unit("s").asi8.astype(np.int64)
        if len(opens) < 2 or (np.diff(opens) <= 0).any():
            raise DataError(
                "candles must be in the order of time, two or more; sort them and drop duplicates"
            )
        first, last = (frame[name].to_numpy(dtype=np.float64) for name in ("open", "close"))
        if not all(np.isfinite(p).all() and (p > 0.0).all() for p in (first, last)):
            raise DataError("candles have an open or close that is no positive number; mend or drop them")
        return cls(opens, opens + grid.timeframe_s, first, last, market_features(frame))


def _pair(series: _Series, moments: Ints, grid: Grid, seed: list[int]) -> dict[str, np.ndarray]:
    """The panel's arrays of one pair, (T, ...), T = len(moments) - 1."""
    now, after = moments[:-1], moments[1:]
    row = np.searchsorted(series.closes, now)
    row = np.minimum(row, len(series.closes) - 1)
    here = series.closes[row] == now
    features = series.features.iloc[row].reset_index(drop=True)
    features.loc[~here] = np.nan
    state = np.nan_to_num(state_matrix(features))
    regime = _regimes(features)
    said = ask(features, regime, now, int(np.random.default_rng(seed).integers(2**31)))
    wait = grid.timeframe_s * grid.delay
    entry, leave = _fill(series, now + wait), _fill(series, after + wait)
    price = series.open
    known = np.searchsorted(series.closes, after, side="right") - 1
    # A fill that waits beyond the next decision has no outcome to learn from.
    learned = (known >= entry) & (series.closes[known] > now)
    # In a gap the last one known stands; before the first, where all sleep, any positive number does.
    volatility = features["volatility_24"].ffill().fillna(1.0).to_numpy(dtype=np.float64)
    sigma = np.maximum(volatility, VOLATILITY_FLOOR) * np.sqrt(grid.every)
    return {
        "depth": said.depth,
        "confidence": said.confidence,
        "state": state,
        "regime": regime,
        "sigma": sigma,
        "returns": price[leave] / price[entry] - 1.0,
        "outcome": np.where(learned, series.close[known] / price[entry] - 1.0, np.nan),
        "known_at": after.copy(),
    }


def _fill(series: _Series, at: Ints) -> Ints:
    """Row of the first candle that opens at or after each moment."""
    rows = np.searchsorted(series.opens, at)
    return np.minimum(rows, len(series.opens) - 1).astype(np.int64)


def _regimes(features: pd.DataFrame) -> Ints:
    """(T,) index into `REGIMES`: `features.regime` on columns."""
    trend = features["trend"].to_numpy(dtype=np.float64)
    percentile = features["volatility_percentile"].to_numpy(dtype=np.float64)
    direction = np.where(trend > TREND_THRESHOLD, 0, np.where(trend < -TREND_THRESHOLD, 2, 1))
    index = 2 * direction + (percentile >= WILD_PERCENTILE)
    unknown = np.isnan(trend) | np.isnan(percentile)
    return np.where(unknown, len(REGIMES) - 1, index).astype(np.int64)
