"""Candle frames for tests."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import strategies as st


def candles(close, *, high=None, low=None, volume=None) -> pd.DataFrame:
    """Hourly candles; without more, each opens at the last close and has no wicks, volume 1."""
    close = np.asarray(close, dtype=float)
    open_ = np.concatenate([close[:1], close[:-1]])
    return pd.DataFrame(
        {
            "date": pd.date_range("2024-01-01", periods=len(close), freq="h", tz="UTC"),
            "open": open_,
            "high": np.maximum(open_, close) if high is None else np.asarray(high, dtype=float),
            "low": np.minimum(open_, close) if low is None else np.asarray(low, dtype=float),
            "close": close,
            "volume": np.ones(len(close)) if volume is None else np.asarray(volume, dtype=float),
        }
    )


def market(rows: int, seed: int, volatility: float = 0.01) -> pd.DataFrame:
    """A random walk with wicks, fat tails, log-normal volume, and now and then candles without trades."""
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(volatility * np.clip(rng.standard_t(3, rows), -20, 20)))
    volume = rng.lognormal(3.0, 1.5, rows)
    idle = np.flatnonzero(rng.random(rows) < 0.03)
    volume[idle] = 0.0
    for row in idle[idle > 0]:
        close[row] = close[row - 1]
    frame = candles(close, volume=volume)
    frame["high"] *= 1.0 + volatility * rng.random(rows)
    frame["low"] *= 1.0 - volatility * rng.random(rows)
    frame.loc[idle, ["open", "high", "low"]] = np.repeat(close[idle, None], 3, axis=1)
    return frame


@st.composite
def markets(draw, min_rows: int = 1, max_rows: int = 700) -> pd.DataFrame:
    """Random markets, quiet to wild, some with a crash, a dead stretch or unknown candles in them."""
    rows = draw(st.integers(min_rows, max_rows))
    frame = market(rows, draw(st.integers(0, 2**32 - 1)), draw(st.sampled_from([0.0, 1e-6, 0.003, 0.05])))
    at, length = draw(st.integers(0, rows - 1)), draw(st.integers(1, 450))
    kind = draw(st.sampled_from(["plain", "crash", "dead", "unknown"]))
    prices = ["open", "high", "low", "close"]
    if kind == "crash":
        frame.loc[at:, prices] *= 0.05
    elif kind == "dead":
        frame.loc[at : at + length, prices] = frame.loc[at, "close"]
        frame.loc[at : at + length, "volume"] = 0.0
    elif kind == "unknown":
        frame.loc[at, [*prices, "volume"]] = np.nan
    return frame
