"""What every strategy of ours inherits: the risk layers as freqtrade callbacks, in backtests and live.

Live, `bot.gate.entry_gate` has the last word on entries; in backtests these callbacks are the gate. A
callback that a subclass overrides is wrapped: its answer is cut to the limits, its exception means no order.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from freqtrade.enums import TRADE_MODES
from freqtrade.exceptions import OperationalException
from freqtrade.persistence import Order, Trade
from freqtrade.strategy import IStrategy, stoploss_from_absolute, timeframe_to_next_date
from pandas import DataFrame

from agent_market.books import ShelfHolder
from agent_market.bot import attach as joining
from agent_market.bot.freqtrade_internals import freqtrade as internals
from agent_market.bot.freqtrade_internals import telegram as telegram_internals
from agent_market.bot.plugin import BotPlugin
from agent_market.bot.rest import install_in_bot
from agent_market.bot.risk_engine import RiskEngine
from agent_market.config import load_settings
from agent_market.errors import AgentMarketError
from agent_market.jobs.in_bot import LightJobs
from agent_market.jobs.job import Tell
from agent_market.risk.invalidation import invalidated
from agent_market.risk.orders import EntryRequest
from agent_market.risk.stops import average_true_range, stop_distance
from agent_market.runs.identity import use_live_identifier
from agent_market.runs.result_stamp import stamp_result
from agent_market.strategy import backtest_gate as gate
from agent_market.strategy.callback_guard import CUT, guard_callbacks
from agent_market.utils.log_redaction import hide_in_logs

logger = logging.getLogger(__name__)

ATR = "risk_atr"
REDUCED = "breaker reduces the book"
INVALIDATED = "invalidated"


class GuardedStrategy(IStrategy):
    """A strategy behind the risk gate. Subclasses set `settings` or let `bot_start` read them.

    `parts_only`: position adjustment is on for parts of split orders alone; the trader has it off.
    """

    parts_only = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in CUT:
            if name in cls.__dict__:
                setattr(cls, name, guard_callbacks(name, cls.__dict__[name]))

    def __init__(self, config: dict[str, Any]) -> None:
        hide_in_logs(config)
        super().__init__(config)
        try:
            self.settings = load_settings(config)
        except AgentMarketError as error:
            raise OperationalException(str(error)) from error
        if config.get("telegram", {}).get("enabled", False) and self.settings.bot.telegram.base_url:
            telegram_internals.use_own_bot_api()
        if self.settings.risk.stop.rule == "atr":
            self.use_custom_stoploss = True
        if config.get("runmode") not in TRADE_MODES:
            internals.clean_results()
        elif config.get("api_server", {}).get("enabled"):
            install_in_bot(config["api_server"])  # before the API server is made, which is after the strategy
        try:
            use_live_identifier(config)
            stamp_result(config, self)
        except AgentMarketError as error:
            raise OperationalException(str(error)) from error

    _attachment: BotPlugin | None = None

    books: ShelfHolder | None = None
    """The books that a strategy decides by; a subclass that uses any sets it in `__init__`."""

    # --- joining -------------------------------------------------------------------------------------

    def bot_start(self, **kwargs: Any) -> None:
        """Join the running bot, or set up the desk of a backtest. Without a gate the bot does not start."""
        self._attachment = joining.attach(self)

    @property
    def attachment(self) -> BotPlugin:
        """What joined the bot or backtest; a copy in a worker process of hyperopt sets up its own."""
        if self._attachment is None:
            self._attachment = joining.attach(self)
        return self._attachment

    def light_jobs(self, tell: Tell, failed: Callable[[str, Exception], None]) -> LightJobs:
        """The jobs that run on a thread of the bot; `bot.attach` starts and ends them."""
        return LightJobs(self, tell, failed)

    @property
    def desk(self) -> RiskEngine:
        """The risk desk of `attachment`."""
        return self.attachment.desk

    def __getstate__(self) -> dict[str, Any]:
        """Without locks and threads: hyperopt sends strategies to its workers."""
        return {**self.__dict__, "_attachment": None}

    def bot_loop_start(self, current_time: datetime, **kwargs: Any) -> None:
        """Refresh the books; the breaker looks at candles and account, and may lock entries and sell."""
        super().bot_loop_start(current_time=current_time, **kwargs)
        self._refresh_books()
        try:
            if self.desk.market.live:
                self.desk.look(current_time)
            elif self.wallets is not None:  # there are none where freqtrade only draws a chart
                self.desk.start_day(current_time)
                if self.settings.risk.breaker.reduce_to is not None:
                    self.desk.catch_up(current_time)
            self.attachment.apply_breaker()
        except Exception as error:
            logger.exception("the breaker's look at the market failed")
            self.attachment.fault(
                "the breaker could not look at the market; entries go on behind the gate", error
            )

    def _refresh_books(self) -> None:
        """Live, take up promotions, lessons, context and news since the last loop: the one place for it."""
        if self.books is None or self.config.get("runmode") not in TRADE_MODES:
            return
        try:
            if "prompts" in self.books.refresh(self.attachment.fault):
                self.attachment.bus.publish(
                    "info", "control", "a prompt was promoted or withdrawn; decisions from now on follow"
                )
        except Exception:
            logger.exception("the books could not be refreshed; the last whole ones stay in use")

    # --- entries -------------------------------------------------------------------------------------

    def leverage(
        self,
        pair: str,
        current_time: datetime,
        current_rate: float,
        proposed_leverage: float,
        max_leverage: float,
        entry_tag: str | None,
        side: str,
        **kwargs: Any,
    ) -> float:
        """1 unless a subclass wants more; never beyond the limit."""
        return gate.capped_leverage(self, proposed_leverage, max_leverage)

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
        """The proposed stake, cut to every limit; 0 while the breaker is frozen, or on any failure."""
        request = EntryRequest(
            pair,
            side,
            current_rate,
            proposed_stake,
            leverage,
            tag=entry_tag or "",
            min_stake=float(min_stake or 0.0),
        )
        return gate.sized_stake(self, request, current_time)

    def confirm_trade_entry(
        self,
        pair: str,
        order_type: str,
        amount: float,
        rate: float,
        time_in_force: str,
        current_time: datetime,
        entry_tag: str | None,
        side: str,
        **kwargs: Any,
    ) -> bool:
        """Not while the breaker is frozen: it may have tripped since the order was sized."""
        return not self.desk.breaker.frozen

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
        """The next part of a split order, if one is due."""
        due = gate.due_stake(self, trade, current_time)
        return gate.added_stake(self, due, trade, current_time, current_rate, min_stake)

    # --- open trades ---------------------------------------------------------------------------------

    def add_risk_columns(self, dataframe: DataFrame) -> DataFrame:
        """The candles with `risk_atr`, where the ATR rule wants it. Call it from `populate_entry_trend`."""
        rule = self.settings.risk.stop
        if rule.rule == "atr":
            high, low, close = (dataframe[c].to_numpy(dtype=float) for c in ("high", "low", "close"))
            dataframe[ATR] = average_true_range(high, low, close, rule.atr_candles)
        return dataframe

    def custom_stoploss(
        self,
        pair: str,
        trade: Trade,
        current_time: datetime,
        current_rate: float,
        current_profit: float,
        after_fill: bool,
        **kwargs: Any,
    ) -> float | None:
        """The ATR rule from the newest candle; None keeps the stop that is set."""
        try:
            frame = self.desk.market.frame(pair)
            if not len(frame) or ATR not in frame:
                return None
            distance = stop_distance(float(frame[ATR].to_numpy()[-1]), current_rate, self.settings.risk.stop)
            sign = -1 if trade.is_short else 1
            level = current_rate * (1.0 - sign * distance)
            leverage = float(trade.leverage or 1.0)
            stop: float = stoploss_from_absolute(level, current_rate, bool(trade.is_short), leverage)
            return stop or None
        except Exception as error:
            logger.exception("the ATR stop of %s failed; its stop stays", pair)
            self.attachment.fault(f"the ATR stop of {pair} failed; its stop stays", error)
            return None

    def custom_exit(
        self,
        pair: str,
        trade: Trade,
        current_time: datetime,
        current_rate: float,
        current_profit: float,
        **kwargs: Any,
    ) -> str | bool | None:
        """Warn of a large loss; leave where the agents are proved wrong, or where the breaker reduces."""
        try:
            self.attachment.watch_position(trade, current_profit)
            if not self.desk.market.live and str(trade.id) in self.attachment.reducing:
                return REDUCED
            if self.settings.risk.position.invalidation:
                then, level = self.attachment.invalidation(trade)
                if invalidated(then, current_rate, level, -1 if trade.is_short else 1):
                    return INVALIDATED
        except Exception as error:
            logger.exception("watching the trade of %s failed", pair)
            self.attachment.fault(f"watching the trade of {pair} failed", error)
        return None

    def order_filled(
        self, pair: str, trade: Trade, order: Order, current_time: datetime, **kwargs: Any
    ) -> None:
        """Compare the fill with its plan; keep an entry's clamps with the trade."""
        try:
            self.attachment.filled(trade, order, gate.fill_of(trade, order, current_time))
        except Exception as error:
            logger.exception("noting a fill of %s failed", pair)
            self.attachment.fault(f"noting a fill of {pair} failed", error)

    def lock_until_next_candle(self, pair: str, reason: str) -> None:
        """A refused entry would be tried again every iteration."""
        until = timeframe_to_next_date(self.timeframe, datetime.now(UTC) + timedelta(seconds=1))
        self.lock_pair(pair, until, reason[:240])
