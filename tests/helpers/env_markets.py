"""Small markets for the environment's tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from agent_market.rl.env.market import MarketArrays, market_arrays

HOUR = 3600


def dates(count: int) -> pd.DatetimeIndex:
    return pd.date_range("2024-01-01", periods=count, freq="h", tz="UTC")


def market(
    opens: Sequence[float],
    closes: Sequence[float],
    funding: tuple[Sequence[float], Sequence[float]] | None = None,
) -> MarketArrays:
    """Given prices; one feature, the number of the row."""
    candles = pd.DataFrame({"date": dates(len(opens)), "open": opens, "close": closes})
    arrays = None if funding is None else (np.array(funding[0]), np.array(funding[1]))
    return market_arrays(candles, pd.DataFrame({"row": np.arange(len(opens))}), arrays)


def random_candles(rng: np.random.Generator, count: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Candles and three features on them."""
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, count)))
    opened = np.concatenate([[100.0], close[:-1]]) * (1.0 + rng.normal(0.0, 0.001, count))
    features = pd.DataFrame(rng.normal(size=(count, 3)), columns=["a", "b", "c"])
    return pd.DataFrame({"date": dates(count), "open": opened, "close": close}), features


def random_market(seed: int, count: int = 400) -> MarketArrays:
    """A random walk with funding every eighth candle."""
    rng = np.random.default_rng(seed)
    candles, features = random_candles(rng, count)
    due = np.where(np.arange(count) % 8 == 0, rng.normal(0.0, 0.02, count), 0.0)
    return market_arrays(candles, features, (due, np.zeros(count)))
