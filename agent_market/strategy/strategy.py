"""What every Agent Market strategy shares: features in, fused depth out, hyperoptable in between.

`user_data/strategies/AgentMarketStrategy.py` subclasses this with the trader's own stop, ROI and
thresholds.  Nothing here decides by itself: entries and exits compare one number, the fused depth of
`strategy.signals`, with two thresholds.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

import numpy as np
from freqtrade.enums import RunMode
from freqtrade.exceptions import OperationalException
from freqtrade.exchange import timeframe_to_seconds
from freqtrade.strategy import DecimalParameter, IntParameter
from pandas import DataFrame

from agent_market.agents.roles import role_table
from agent_market.books import ShelfHolder
from agent_market.decision.experts.virtual_experts import seats
from agent_market.errors import AgentMarketError
from agent_market.factors.features import add_factors, peer_candles
from agent_market.features.features import TRAINED, WARM_UP
from agent_market.freqai.features import add_context, add_trained_features, add_turbulence, peer_frames
from agent_market.freqai.memory_features import add_candle_number
from agent_market.pipeline.quant import TARGET, target
from agent_market.runs.identity import stamp_features
from agent_market.strategy.guarded import GuardedStrategy
from agent_market.strategy.signals import (
    PLAIN_TAG,
    Fusion,
    earned_share,
    entry_tags,
    fused_depth,
    side_spells,
)
from agent_market.universe import universe_of
from agent_market.utils.arrays import Floats

FUSED = "agents_depth"


def _multiplier() -> DecimalParameter:
    return DecimalParameter(0.0, 2.0, default=1.0, decimals=2, space="agents", load=True, optimize=True)


class AgentMarketStrategyBase(GuardedStrategy):
    """Entries and exits from the fused depth of the committee. Needs `--freqaimodel AgentEnsemble`.

    Every order passes the risk gate (`strategy.guarded`).
    """

    INTERFACE_VERSION = 3
    timeframe = "1h"
    process_only_new_candles = True
    use_exit_signal = True
    can_short = False
    startup_candle_count = WARM_UP
    minimal_roi: ClassVar[dict[str, float]] = {"0": 100.0}
    stoploss = -0.10

    multiplier_aggressive = _multiplier()
    multiplier_conservative = _multiplier()
    multiplier_quant = _multiplier()
    multiplier_memory = _multiplier()
    multiplier_judge = _multiplier()

    temperature = DecimalParameter(0.25, 4.0, default=1.0, decimals=2, space="fusion")
    memory_k = IntParameter(4, 16, default=8, space="fusion")
    entry_threshold = DecimalParameter(0.5, 8.0, default=2.0, decimals=1, space="fusion")
    exit_threshold = DecimalParameter(-4.0, 2.0, default=-0.5, decimals=1, space="fusion")

    plot_config: ClassVar[dict[str, Any]] = {
        "main_plot": {},
        "subplots": {
            "depth": {
                FUSED: {"color": "#0072B2"},
                "quant_depth_now": {"color": "#999999"},
            },
            "weights": {
                "weight_aggressive": {"color": "#D55E00"},
                "weight_conservative": {"color": "#009E73"},
                "weight_quant": {"color": "#0072B2"},
                "weight_memory": {"color": "#CC79A7"},
                "weight_judge": {"color": "#E69F00"},
            },
        },
    }

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        try:
            roles = role_table(self.settings.agents)
            self.agents = seats([r.name for r in roles], self.settings.decision)
            self.books: ShelfHolder = ShelfHolder(config)
        except AgentMarketError as error:
            raise OperationalException(str(error)) from error
        self.startup_candle_count = max(self.startup_candle_count, self.books().factors.lookback)
        self.memory_k.value = self.settings.memory.k
        if config.get("freqai", {}).get("enabled", False):
            stamp_features(config, self)

    # --- features and target, called by FreqAI -------------------------------------------------------

    def feature_engineering_standard(
        self, dataframe: DataFrame, metadata: dict[str, Any], **kwargs: Any
    ) -> DataFrame:
        """Trained features of the pair, and what agents see beside them."""
        shelf = self.books()
        dataframe = add_trained_features(dataframe)
        if self.settings.memory.features:
            dataframe = add_candle_number(dataframe, timeframe_to_seconds(self.timeframe))
        dataframe = add_context(dataframe, shelf.context, timeframe_to_seconds(self.timeframe))
        pairs = sorted({*self._whitelist(), metadata["pair"]})
        dataframe = add_factors(
            dataframe,
            shelf.factors,
            metadata["pair"],
            timeframe_to_seconds(self.timeframe) // 60,
            lambda: peer_candles(self, pairs),
        )
        peers = peer_frames(pairs, lambda pair: self.dp.get_pair_dataframe(pair, self.timeframe))
        return add_turbulence(dataframe, peers, self.settings.perception.turbulence_window)

    def set_freqai_targets(self, dataframe: DataFrame, metadata: dict[str, Any], **kwargs: Any) -> DataFrame:
        """The return over the decision horizon, in units of its expected standard deviation."""
        horizon = self.settings.decision.horizon_candles
        dataframe[TARGET] = target(dataframe["close"], dataframe[f"{TRAINED}volatility_24"], horizon)
        return dataframe

    def _whitelist(self) -> list[str]:
        """The pairs traded; those of the config where freqtrade draws a chart, and has no pair list."""
        try:
            return self.dp.current_whitelist()
        except OperationalException:
            return list(universe_of(self.config))

    # --- signals -------------------------------------------------------------------------------------

    def populate_indicators(self, dataframe: DataFrame, metadata: dict[str, Any]) -> DataFrame:
        """Run FreqAI: train where due, decide where due."""
        return self.freqai.start(dataframe, metadata, self)

    def depth(self, dataframe: DataFrame) -> Floats:
        """(T,) the depth traded on; baselines override this and nothing else."""
        return fused_depth(dataframe, self.agents, self.settings.memory, self.fusion())

    def fusion(self) -> Fusion:
        """The fusion under the current (hyperopt) parameters."""
        multipliers = {
            agent: float(getattr(self, f"multiplier_{agent}").value)
            for agent in self.agents
            if hasattr(self, f"multiplier_{agent}")
        }
        return Fusion(multipliers, float(self.temperature.value), int(self.memory_k.value))

    def populate_entry_trend(self, dataframe: DataFrame, metadata: dict[str, Any]) -> DataFrame:
        """Enter long at or above the entry threshold; short, where allowed, at or below its negative."""
        dataframe = self.add_risk_columns(dataframe)
        depth = self.depth(dataframe)
        dataframe[FUSED] = depth
        traded = (dataframe["do_predict"].to_numpy() == 1) & (dataframe["volume"].to_numpy() > 0)
        threshold = float(self.entry_threshold.value)
        self._enter(dataframe, metadata["pair"], "long", traded & (depth >= threshold))
        if self.can_short:
            self._enter(dataframe, metadata["pair"], "short", traded & (depth <= -threshold))
        return dataframe

    def populate_exit_trend(self, dataframe: DataFrame, metadata: dict[str, Any]) -> DataFrame:
        """Leave a long at or below the exit threshold; a short at or above its negative."""
        depth = dataframe[FUSED].to_numpy()
        threshold = float(self.exit_threshold.value)
        dataframe.loc[depth <= threshold, ["exit_long", "exit_tag"]] = (1, "agents turned")
        if self.can_short:
            dataframe.loc[depth >= -threshold, ["exit_short", "exit_tag"]] = (1, "agents turned")
        return dataframe

    def custom_stake_amount(
        self,
        pair: str,
        current_time: datetime,
        current_rate: float,
        proposed_stake: float,
        min_stake: float | None,
        max_stake: float,
        leverage: float,
        entry_tag: str | None,
        side: str,
        **kwargs: Any,
    ) -> float:
        """The configured stake, or less of it where confidence has earned a say in it."""
        if not self.settings.calibration.size_by_confidence:
            return proposed_stake
        dataframe, _ = self.dp.get_analyzed_dataframe(pair, self.timeframe)
        return proposed_stake * earned_share(dataframe, side, self.settings.calibration)

    def _enter(self, dataframe: DataFrame, pair: str, side: str, rows: np.ndarray) -> None:
        if not rows.any():
            return
        dataframe.loc[rows, f"enter_{side}"] = 1
        if self.config.get("runmode") == RunMode.HYPEROPT:
            dataframe.loc[rows, "enter_tag"] = PLAIN_TAG
            return
        chosen = dataframe.loc[rows]
        decided = chosen.get("decision_time", chosen["volume"] * 0.0).to_numpy(dtype=float)
        dataframe.loc[rows, "enter_tag"] = entry_tags(pair, chosen[FUSED].to_numpy(), decided)

    def plot_annotations(
        self, pair: str, start_date: datetime, end_date: datetime, dataframe: DataFrame, **kwargs: Any
    ) -> list[Any]:
        """Shade the stretches on which the committee was long (green) or short (red), for FreqUI."""
        if FUSED not in dataframe:
            return []
        shown = dataframe[(dataframe["date"] >= start_date) & (dataframe["date"] <= end_date)]
        spells = side_spells(shown[FUSED].to_numpy(), float(self.entry_threshold.value))
        return [
            {
                "type": "area",
                "start": shown["date"].iloc[first].to_pydatetime(),
                "end": shown["date"].iloc[last].to_pydatetime(),
                "color": "rgba(0, 158, 115, 0.15)" if side > 0 else "rgba(213, 94, 0, 0.15)",
                "label": f"depth {shown[FUSED].iloc[first]:+.1f}",
            }
            for first, last, side in spells
        ]
