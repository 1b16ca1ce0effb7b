"""A FreqAI training that fails ends the backtest, instead of going on without its model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pandas as pd
from freqtrade.exceptions import OperationalException
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen

from agent_market.errors import TrainingFailed


class FailedTrainingEndsRun:
    """Mixin for FreqAI models: put `train` under `training(pair)`. Live, FreqAI keeps the model it has."""

    _training_error: TrainingFailed | None = None

    @contextmanager
    def training(self, pair: str) -> Iterator[None]:
        """Keep what went wrong for the message that ends the run; FreqAI itself only logs it."""
        try:
            yield
        except Exception as error:
            self._training_error = TrainingFailed(f"training {pair} failed: {type(error).__name__}: {error}")
            raise

    def _append_null_backtesting_predictions(
        self, dk: FreqaiDataKitchen, dataframe_backtest: pd.DataFrame
    ) -> None:
        """FreqAI would go on with zeros, cache them, and exit 0: a failed training ends the run here."""
        raise OperationalException(
            f"{self._training_error or f'training {dk.pair} gave no model'}. The run stops: its figures "
            "would be those of a bot without a model. Mend the cause (traceback above) and run again."
        )
