"""What every Agent Market strategy shares: features in, fused depth out, hyperoptable in between.

`user_data/strategies/AgentMarketStrategy.py` subclasses this with the trader's own stop, ROI and
thresholds.  Nothing here decides by itself: one number, the fused depth of `strategy.signals`, is a target
share of the pair's budget (`decision.sizing`), or is compared with two thresholds (`sizing.mode`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from freqtrade.constants import UNLIMITED_STAKE_AMOUNT
from freqtrade.enums import RunMode
from freqtrade.exceptions import OperationalException
from freqtrade.exchange import timeframe_to_seconds
from freqtrade.persistence import Trade
from freqtrade.strategy import DecimalParameter, IntParameter
from pandas import DataFrame

from agent_market.agents.roles import role_table
from agent_market.books import ShelfHolder
from agent_market.bot.account import book_of
from agent_market.decision.experts.virtual_experts import seats
from agent_market.decision.sizing import next_share, no_trade_zone, target_share
from agent_market.errors import AgentMarketError
from agent_market.factors.features import add_factors, peer_candles
from agent_market.features.features import TRAINED, WARM_UP
from agent_market.freqai.features import add_context, add_trained_features, add_turbulence, peer_frames
from agent_market.freqai.memory_features import add_candle_number
from agent_market.freqai.rule_features import RuleBook, add_rules, stored_candles, stored_funding
from agent_market.pipeline.quant import TARGET, target
from agent_market.runs.identity import stamp_features
from agent_market.strategy.backtest_gate import due_stake, utc
from agent_market.strategy.guarded import GuardedStrategy
from agent_market.strategy.signals import (
    PLAIN_TAG,
    Fusion,
    annual_volatility,
    decision_known,
    earned_share,
    entry_tags,
    fused_depth,
    side_spells,
)
from agent_market.universe import market_leader, universe_of
from agent_market.utils.arrays import Floats

FUSED = "agents_depth"
TARGET_SHARE = "agents_target"
"""Share of the pair's budget to hold; with it `agents_no_trade` and `agents_decided`."""
NO_TRADE = "agents_no_trade"
DECIDED = "agents_decided"
RESIZED = "agents resized"


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
    multiplier_trend = _multiplier()
    multiplier_breadth = _multiplier()
    multiplier_carry = _multiplier()
    multiplier_judge = _multiplier()

    temperature = DecimalParameter(0.25, 4.0, default=1.0, decimals=2, space="fusion")
    memory_k = IntParameter(4, 16, default=8, space="fusion")
    entry_threshold = DecimalParameter(0.5, 3.0, default=1.0, decimals=1, space="fusion")
    exit_threshold = DecimalParameter(-4.0, 2.0, default=0.0, decimals=1, space="fusion")

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
        self._rules = RuleBook(
            timeframe_to_seconds(self.timeframe),
            self.settings.sizing.volatility_days,
            stored_candles(config, self.timeframe),
            stored_funding(config),
        )
        self._resized: dict[str, tuple[Any, ...]] = {}
        self._decided_at: dict[str, frozenset[int]] = {}
        if self._targets:
            self.position_adjustment_enable = True
        if type(self).entry_threshold is AgentMarketStrategyBase.entry_threshold:
            # One table: what the records call a buy is what can be bought.
            self.entry_threshold.value = max(self.settings.decision.hold_threshold, self.entry_threshold.low)
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
        closes = pd.DatetimeIndex(dataframe["date"]).tz_convert("UTC").as_unit("s")
        closes = closes + pd.Timedelta(seconds=timeframe_to_seconds(self.timeframe))
        market = peer_frames({*pairs, *self._leader()}, self._candles_of)
        dataframe = add_rules(dataframe, self._rules.columns(metadata["pair"], closes, market))
        return add_turbulence(dataframe, peers, self.settings.perception.turbulence_window)

    def set_freqai_targets(self, dataframe: DataFrame, metadata: dict[str, Any], **kwargs: Any) -> DataFrame:
        """The return over the decision horizon, in units of its expected standard deviation."""
        horizon = self.settings.decision.horizon_candles
        dataframe[TARGET] = target(dataframe["close"], dataframe[f"{TRAINED}volatility_24"], horizon)
        return dataframe

    def informative_pairs(self) -> list[tuple[str, str]]:
        """The pair that stands for the market, where it is not traded itself."""
        return [(pair, self.timeframe) for pair in self._leader()]

    def _candles_of(self, pair: str) -> DataFrame:
        return self.dp.get_pair_dataframe(pair, self.timeframe)

    def _leader(self) -> list[str]:
        """The market's leader, if the exchange lists it and it is not on the whitelist."""
        pair = market_leader(self.config)
        if pair in self._whitelist() or self.dp is None:
            return []
        try:
            return [pair] if self.dp.market(pair) is not None else []
        except OperationalException:
            return []  # where freqtrade draws a chart, there is no exchange

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
        """Enter long at or above the entry threshold; short, where allowed, at or below its negative.

        With a target position the entry is made at a decision, and only for a share worth its cost.
        """
        dataframe = self.add_risk_columns(dataframe)
        depth = self.depth(dataframe)
        dataframe[FUSED] = depth
        traded = (dataframe["do_predict"].to_numpy() == 1) & (dataframe["volume"].to_numpy() > 0)
        threshold = float(self.entry_threshold.value)
        if self._targets:
            volatility = annual_volatility(dataframe, timeframe_to_seconds(self.timeframe))
            side_cost, sizing = self.settings.costs.side, self.settings.sizing
            zone = no_trade_zone(volatility, side_cost, sizing)
            target = target_share(depth, volatility, sizing, self.can_short)
            dataframe[TARGET_SHARE], dataframe[NO_TRADE] = target, zone
            dataframe[DECIDED] = self._decided_on(dataframe)
            rows = dataframe.loc[dataframe[DECIDED] == 1.0, "date"]
            self._decided_at[metadata["pair"]] = frozenset(pd.DatetimeIndex(rows).as_unit("s").asi8.tolist())
            traded &= (dataframe[DECIDED].to_numpy() == 1.0) & (np.abs(target) > zone)
        self._enter(dataframe, metadata["pair"], "long", traded & (depth >= threshold))
        if self.can_short:
            self._enter(dataframe, metadata["pair"], "short", traded & (depth <= -threshold))
        return dataframe

    def populate_exit_trend(self, dataframe: DataFrame, metadata: dict[str, Any]) -> DataFrame:
        """Leave a long at or below the exit threshold; a short at or above its negative.

        A decision that has expired holds nothing. Before the first one there is nothing to leave by: a bot
        that starts with open trades keeps them until its agents have spoken.
        """
        depth = dataframe[FUSED].to_numpy()
        threshold = float(self.exit_threshold.value)
        spoken = decision_known(dataframe)
        dataframe.loc[spoken & (depth <= threshold), ["exit_long", "exit_tag"]] = (1, "agents turned")
        if self.can_short:
            dataframe.loc[spoken & (depth >= -threshold), ["exit_short", "exit_tag"]] = (1, "agents turned")
        return dataframe

    @property
    def _targets(self) -> bool:
        """Whether the depth is a target position."""
        return self.settings.sizing.mode == "target"

    def _decided_on(self, dataframe: DataFrame) -> Floats:
        """(T,) 1 on rows that were decided on; without an ensemble's columns, on the cadence's grid."""
        if "decision_age" in dataframe:
            made = (dataframe["decision_age"] == 0) & (dataframe["decision_time"] > 0)
            return np.asarray(made, dtype=np.float64)
        seconds = timeframe_to_seconds(self.timeframe)
        closes = pd.DatetimeIndex(dataframe["date"]).as_unit("s").asi8 // seconds + 1
        on_grid: Floats = np.asarray(closes % self.settings.decision.cadence_candles == 0, dtype=np.float64)
        return on_grid

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
        """The target share of the pair's budget (or the configured stake), as confidence has earned it."""
        dataframe, _ = self.dp.get_analyzed_dataframe(pair, self.timeframe)
        stake = proposed_stake
        if self._targets and TARGET_SHARE in dataframe and len(dataframe):
            share = abs(float(dataframe[TARGET_SHARE].to_numpy()[-1]))
            stake = min(share * self._budget(proposed_stake), max_stake)
        if not self.settings.calibration.size_by_confidence:
            return stake
        return stake * earned_share(dataframe, side, self.settings.calibration)

    def adjust_trade_position(
        self,
        trade: Trade,
        current_time: datetime,
        current_rate: float,
        current_profit: float,
        min_stake: float | None,
        max_stake: float,
        current_entry_rate: float,
        current_exit_rate: float,
        current_entry_profit: float,
        current_exit_profit: float,
        **kwargs: Any,
    ) -> float | tuple[float | None, str | None] | None:
        """At a decision, towards the target share where that is worth its cost; parts of splits first."""
        due = due_stake(self, trade, current_time)
        if due is not None:
            return due
        if not self._targets or trade.has_open_orders or not self._may_have_decided(trade.pair, current_time):
            return None
        dataframe, _ = self.dp.get_analyzed_dataframe(trade.pair, self.timeframe)
        if TARGET_SHARE not in dataframe or not len(dataframe) or not dataframe[DECIDED].to_numpy()[-1]:
            return None
        if not self._is_new(trade, current_time, dataframe["date"].array[-1]):
            return None
        target = float(dataframe[TARGET_SHARE].to_numpy()[-1]) * (-1.0 if trade.is_short else 1.0)
        if target <= 0.0:
            return None  # the exit signal leaves
        if self.settings.calibration.size_by_confidence:
            side = "short" if trade.is_short else "long"
            target *= earned_share(dataframe, side, self.settings.calibration)
        worth = float(trade.amount) * current_rate / float(trade.leverage or 1.0)
        budget = self._budget(self._fixed_stake())
        if budget <= 0.0 or worth <= 0.0:
            return None
        held = worth / budget
        change = next_share(held, target, float(dataframe[NO_TRADE].to_numpy()[-1])) - held
        if abs(change) * budget < (min_stake or 0.0) or change == 0.0:
            return None
        if change > 0.0:
            return min(change * budget, max_stake), RESIZED
        return change / held * float(trade.stake_amount), RESIZED

    def _may_have_decided(self, pair: str, now: datetime) -> bool:
        """Backtests: whether the candle before `now` was decided on, without a slice of the whole frame."""
        if self.desk.market.live:
            return True
        seconds = timeframe_to_seconds(self.timeframe)
        return (int(utc(now).timestamp()) // seconds - 1) * seconds in self._decided_at.get(pair, frozenset())

    def _is_new(self, trade: Trade, now: datetime, candle: Any) -> bool:
        """Whether this decision has not been carried out on this trade yet; live asks every few seconds."""
        last = self._resized.get(trade.pair)
        if last is not None and last[0] <= now and last[1:] == (trade.open_date, candle):
            return False
        self._resized[trade.pair] = (now, trade.open_date, candle)
        return True

    def _fixed_stake(self) -> float:
        stake = self.config["stake_amount"]
        return 0.0 if stake == UNLIMITED_STAKE_AMOUNT else float(stake)

    def _budget(self, configured: float) -> float:
        """What a pair may take at full depth: the configured stake, or an equal part of the account."""
        if self.config["stake_amount"] != UNLIMITED_STAKE_AMOUNT:
            return configured
        slots = max(min(float(self.max_open_trades), float(len(self._whitelist()))), 1.0)
        equity = book_of(self, self.desk.market.close).equity
        return equity * float(self.config.get("tradable_balance_ratio", 1.0)) / slots

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
