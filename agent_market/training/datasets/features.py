"""`FeatureDatasetBuilder`: labelled datasets with the features of the trading strategy itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from freqtrade.exchange import timeframe_to_seconds

from agent_market.candles import epoch_seconds
from agent_market.errors import DataError
from agent_market.training.datasets.dataset import Dataset, joined
from agent_market.training.datasets.labels import Label, LabelBuilder, LabelSettings
from agent_market.training.feature_builder import FeatureBuilder, Window


@dataclass(frozen=True, slots=True)
class WindowRows:
    """Rows of a FreqAI window; `train` holds only rows whose label was known when `test` begins."""

    window: Window
    train: Dataset
    test: Dataset


class FeatureDatasetBuilder:
    """Build datasets from candles on disk.

    Features are those of the strategy under FreqAI's `feature_parameters` (periods, shifts, timeframes,
    correlated pairs).  Rows with a NaN or infinite feature are dropped, as FreqAI drops them.

    :param labels: the labels; all pairs are labelled at once, so `relative` labels use every pair.
    """

    def __init__(self, kitchen: FeatureBuilder, labels: tuple[LabelSettings, ...]) -> None:
        self._kitchen = kitchen
        self.timeframe_s = timeframe_to_seconds(kitchen.timeframe)
        self._builder = LabelBuilder(labels, self.timeframe_s)
        self._candles = {pair: kitchen.candles(pair) for pair in kitchen.pairs}
        self._labels = self._builder.build(self._candles)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the labels."""
        return self._builder.names

    def build(self) -> Dataset:
        """Build the whole dataset in memory.

        :raises DataError: no row has all features.
        """
        start, end = self._kitchen.span
        parts = [self._part(pair, start, end) for pair in self._kitchen.pairs]
        return joined([part for part in parts if len(part)])

    def chunks(self, days: int) -> Iterator[Dataset]:
        """Yield the same rows pair by pair, `days` at a time, holding one chunk (and its warm-up) in memory.

        Features are recomputed in each chunk from the strategy's `startup_candle_count` earlier candles; a
        feature with a longer memory than that would differ, as it would in a live bot.
        """
        if days < 1:
            raise DataError(f"Invalid chunk of {days} days; use 1 or more")
        start, end = self._kitchen.span
        for pair in self._kitchen.pairs:
            dates = epoch_seconds(self._candles[pair]["date"])
            begin, last = max(start, int(dates[0])), min(end, int(dates[-1]) + self.timeframe_s)
            for first in range(begin, last, days * 86_400):
                part = self._part(pair, first, min(first + days * 86_400, last))
                if len(part):
                    yield part

    def windows(self, label: str) -> Iterator[WindowRows]:
        """Yield the rows of FreqAI's windows: what a backtest trains on, and what it then predicts.

        Training rows begin before the time range, by `freqai.train_period_days`.
        """
        windows = self._kitchen.windows()
        pairs = self._kitchen.pairs
        first, last = windows[0].train_from, windows[-1].test_to
        parts = [self._part(pair, first, last) for pair in pairs]
        whole = joined([part for part in parts if len(part)]).labelled(label)
        opened = whole.asof - self.timeframe_s
        for window in windows:
            train = (opened >= window.train_from) & whole.known_before(label, window.test_from)
            test = (opened >= window.test_from) & (opened < window.test_to)
            yield WindowRows(window, whole.rows(train), whole.rows(test))

    def _part(self, pair: str, start_s: int, end_s: int) -> Dataset:
        """Rows whose candles open in [start, end)."""
        candles = self._candles[pair]
        opens = epoch_seconds(candles["date"])
        low, high = np.searchsorted(opens, [start_s, end_s])
        warm = max(int(low) - self._kitchen.warm_up, 0)
        features = self._kitchen.features(pair, candles.iloc[warm:high]).iloc[low - warm :]
        values = features.to_numpy(dtype=np.float64)
        whole = np.isfinite(values).all(axis=1)
        rows = np.arange(low, high)[whole]
        labels: dict[str, Label] = self._labels[pair]
        return Dataset(
            pd.DataFrame(values[whole], columns=features.columns),
            pd.DataFrame({name: label.values[rows] for name, label in labels.items()}),
            pd.DataFrame({name: label.known_at[rows] for name, label in labels.items()}),
            opens[rows] + self.timeframe_s,
            np.full(len(rows), pair, dtype=object),
        )
