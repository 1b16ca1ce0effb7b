"""What all our FreqAI models share: FreqAI's own base with its faults mended."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pandas as pd
from freqtrade.enums import TRADE_MODES
from freqtrade.exceptions import OperationalException
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen
from freqtrade.freqai.freqai_interface import IFreqaiModel
from freqtrade.strategy import IStrategy

from agent_market.errors import AgentMarketError, ConfigError, TrainingFailed
from agent_market.freqai.patches.atomic_saves import is_saved_whole, save_whole_files, save_whole_predictions
from agent_market.freqai.patches.timezones import unify_timezones
from agent_market.runs.identity import derive_identifier, remember_inputs
from agent_market.universe import has_static_list, universe_of

logger = logging.getLogger(__name__)


class BaseAgentModel(IFreqaiModel):
    """Put before FreqAI's own base, with `train` under `training(pair)`.

    - The identifier tells apart all that may change a prediction; see `derive_identifier`.
    - A training that fails ends a backtest. Live, FreqAI keeps the model it has.
    - Wherever a kill strikes, the next run goes on from files that are whole.
    - Live, trainings after the first one work.
    """

    _training_error: TrainingFailed | None = None
    _pairs_resolved = False
    config: dict[str, Any]

    def __init__(self, config: dict[str, Any]) -> None:
        try:
            _check_pair_list(config)
            if not config.get("freqai_backtest_live_models"):
                config["freqai"]["identifier"] = derive_identifier(config, type(self))
                remember_inputs(config, type(self))
        except AgentMarketError as error:
            raise OperationalException(str(error)) from error
        super().__init__(config=config)
        unify_timezones(self.dd)
        save_whole_files(self.dd)

    def start(self, dataframe: pd.DataFrame, metadata: dict[str, Any], strategy: IStrategy) -> pd.DataFrame:
        """FreqAI's; live, it first learns which pairs the patterns of `pair_whitelist` stand for."""
        if not self._pairs_resolved and strategy.dp.runmode in TRADE_MODES:
            self._train_pairs(strategy.dp.current_whitelist())
        frame: pd.DataFrame = super().start(dataframe, metadata, strategy)
        return frame

    def _train_pairs(self, traded: Sequence[str]) -> None:
        """Train these in place of patterns, which FreqAI takes for names of pairs and never trains."""
        self._pairs_resolved = True
        listed = list(self.config["exchange"]["pair_whitelist"])
        if not has_static_list(self.config) or set(traded) >= set(listed):
            return
        # A copy: the bot's own pair list goes on from its patterns.
        self.config = {**self.config, "exchange": {**self.config["exchange"], "pair_whitelist": [*traded]}}
        self.dd.config = self.config
        self.total_pairs = len(traded)
        self.train_queue = self._set_train_queue()
        logger.info("FreqAI trains %s, as %s stands for", ", ".join(traded), ", ".join(listed))

    def universe(self) -> tuple[str, ...]:
        """The traded pairs: freqtrade's own list where there is one, else the config's, resolved."""
        try:
            if self.data_provider is not None:
                return tuple(self.data_provider.current_whitelist())
        except OperationalException:  # freqtrade draws a chart, and has no pair list
            pass
        return universe_of(self.config)

    def markets(self) -> tuple[str, ...]:
        """Every market of the exchange; empty where there is no connection to one."""
        exchange = getattr(self.data_provider, "_exchange", None)
        return () if exchange is None else tuple(exchange.get_markets())

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


def _check_pair_list(config: dict[str, Any]) -> None:
    """Refuse a bot that would never train: FreqAI trains only pairs that `pair_whitelist` names."""
    if config.get("runmode") in TRADE_MODES and not config["exchange"].get("pair_whitelist"):
        raise ConfigError(
            "exchange.pair_whitelist is empty: FreqAI trains only the pairs named there, whatever "
            "`pairlists` adds later, so this bot would never train; name the pairs to trade"
        )
