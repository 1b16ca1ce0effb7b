"""What all our FreqAI models share: FreqAI's own base with its faults mended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pandas as pd
from freqtrade.exceptions import OperationalException
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen
from freqtrade.freqai.freqai_interface import IFreqaiModel
from freqtrade.strategy import IStrategy

from agent_market.errors import AgentMarketError, TrainingFailed
from agent_market.freqai.patches.atomic_saves import is_saved_whole, save_whole_files, save_whole_predictions
from agent_market.freqai.patches.timezones import unify_timezones
from agent_market.runs.identity import derive_identifier


class BaseAgentModel(IFreqaiModel):
    """Put before FreqAI's own base, with `train` under `training(pair)`.

    - The identifier tells apart all that may change a prediction; see `derive_identifier`.
    - A training that fails ends a backtest. Live, FreqAI keeps the model it has.
    - Wherever a kill strikes, the next run goes on from files that are whole.
    - Live, trainings after the first one work.
    """

    _training_error: TrainingFailed | None = None

    def __init__(self, config: dict[str, Any]) -> None:
        try:
            config["freqai"]["identifier"] = derive_identifier(config, type(self))
        except AgentMarketError as error:
            raise OperationalException(str(error)) from error
        super().__init__(config=config)
        unify_timezones(self.dd)
        save_whole_files(self.dd)

    def start_backtesting(
        self, dataframe: pd.DataFrame, metadata: dict[str, Any], dk: FreqaiDataKitchen, strategy: IStrategy
    ) -> FreqaiDataKitchen:
        """FreqAI's, with the predictions of each window put in place whole."""
        save_whole_predictions(dk)
        return super().start_backtesting(dataframe, metadata, dk, strategy)

    def model_exists(self, dk: FreqaiDataKitchen) -> bool:
        """Whether the window's model can be loaded; one that a kill left half saved is trained again."""
        return super().model_exists(dk) and is_saved_whole(dk.data_path, dk.model_filename)

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
