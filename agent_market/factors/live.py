"""Factors on candles as they come in.

There is no running state that could drift from the batch result: every operator depends on a bounded
number of rows, so the newest value is computed from just those rows, by the same kernels. A restart needs
nothing but the candles, and a candle that is corrected (or still forming) is simply given again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from agent_market.errors import DataError
from agent_market.factors.engine import Engine
from agent_market.factors.panel import Array, CandlePanel
from agent_market.factors.tree import Tree
from agent_market.factors.warmup import lookback


class LiveFactors:
    """The newest values of some factors, updated candle by candle.

    Holds the last `rows` rows of the panel: what the factor with the longest lookback needs.
    """

    def __init__(self, trees: Sequence[Tree], history: CandlePanel) -> None:
        """Start from a panel that holds at least one row; more history than is needed is dropped."""
        if not len(history.times):
            raise DataError("live factors need a panel with at least one row to start from")
        self.trees = tuple(trees)
        self.rows = max((lookback(tree, history.minutes) for tree in self.trees), default=1)
        self._panel = history.window(max(len(history.times) - self.rows, 0), len(history.times))

    @property
    def asof(self) -> pd.Timestamp:
        """Close of the newest row."""
        newest: pd.Timestamp = self._panel.times[-1]
        return newest

    def update(self, asof: pd.Timestamp, candles: Mapping[str, Mapping[str, float]]) -> Array:
        """Take the candles that close at `asof` and give the newest values, shape (factors, pairs).

        :param asof: close of the candles. The newest row again replaces it (a corrected candle); rows left
            out in between are NaN, as in a panel.
        :param candles: per pair the values of the panel's columns; a pair that is left out is NaN.
        :raises DataError: a time before the newest row or off the grid, or an unknown pair.
        """
        unknown = set(candles) - set(self._panel.pairs)
        if unknown:
            raise DataError(
                f"candle of {min(unknown)}, which is not in the panel; it has {self._panel.pairs}"
            )
        step = pd.Timedelta(minutes=self._panel.minutes)
        ahead, rest = divmod(asof - self.asof, step)
        if ahead < 0 or rest:
            raise DataError(f"candle that closes at {asof} does not follow {self.asof} by whole {step}")
        self._panel = self._moved(int(ahead), candles)
        return self.values()

    def values(self) -> Array:
        """The factors at the newest row, shape (factors, pairs), finite or NaN."""
        engine = Engine(self._panel)
        out = np.empty((len(self.trees), len(self._panel.pairs)))
        for row, tree in enumerate(self.trees):
            out[row] = engine.evaluate(tree)[:, -1]
        return out

    def _moved(self, ahead: int, candles: Mapping[str, Mapping[str, float]]) -> CandlePanel:
        old = self._panel
        step = pd.Timedelta(minutes=old.minutes)
        size = min(len(old.times) + ahead, self.rows)
        kept = max(size - ahead, 0)
        columns = {}
        for name, values in old.columns.items():
            new = np.full((len(old.pairs), size), np.nan)
            new[:, :kept] = values[:, values.shape[1] - kept :]
            new[:, -1] = [_value(candles, pair, name) for pair in old.pairs]
            columns[name] = new
        end = old.times[-1] + ahead * step
        times = pd.date_range(end=end, periods=size, freq=step, unit="ms")
        return CandlePanel(times, old.pairs, columns, old.minutes, old.kinds)


def _value(candles: Mapping[str, Mapping[str, float]], pair: str, name: str) -> float:
    value = float(candles[pair].get(name, np.nan)) if pair in candles else np.nan
    if np.isinf(value):
        raise DataError(f"{name} of {pair} is {value}")
    return value
