"""What every strategy of ours inherits: the risk layers as freqtrade callbacks, in backtests and live.

Live, the gate of `bot.entry_gate` has the last word on entries; in backtests these callbacks are the gate.  A
callback that a subclass overrides is wrapped: its answer is cut to the limits, its exception means no order.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from freqtrade.enums import RunMode
from freqtrade.exceptions import OperationalException
from freqtrade.strategy import IStrategy, stoploss_from_absolute, timeframe_to_next_date
from pandas import DataFrame

from agent_market.bot import attach as joining
from agent_market.bot import freqtrade_seams as seams
from agent_market.bot import telegram_seams
from agent_market.bot.desk import RiskDesk, fill_sign
from agent_market.bot.journal import clamp_json
from agent_market.bot.market import LIVE
from agent_market.bot.rest import install_in_bot
from agent_market.config import load_settings
from agent_market.errors import AgentMarketError
from agent_market.log_redaction import hide_in_logs
from agent_market.risk.execution import Fill
from agent_market.risk.invalidation import invalidated
from agent_market.risk.stops import average_true_range, stop_distance

logger = logging.getLogger(__name__)

ATR = "risk_atr"
CLAMPED = ("leverage", "custom_stake_amount", "confirm_trade_entry", "adjust_trade_position")
REDUCED = "breaker reduces the book"
INVALIDATED = "invalidated"


class GuardedStrategy(IStrategy):
    """A strategy behind the risk gate. Subclasses set `settings` or let `bot_start` read them."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in CLAMPED:
            if name in cls.__dict__:
                setattr(cls, name, _clamped(name, cls.__dict__[name]))

    def __init__(self, config: dict[str, Any]) -> None:
        hide_in_logs(config)
        super().__init__(config)
        try:
            self.settings = load_settings(config)
        except AgentMarketError as error:
            raise OperationalException(str(error)) from error
        if config.get("telegram", {}).get("enabled", False) and self.settings.bot.telegram.base_url:
            telegram_seams.use_own_bot_api()
        if self.settings.risk.stop.rule == "atr":
            self.use_custom_stoploss = True
        if config.get("runmode") not in LIVE:
            seams.clean_results()
        elif config.get("api_server", {}).get("enabled"):
            install_in_bot()  # before the API server is made, which is after the strategy

    _attachment: joining.Attachment | None = None

    # --- joining -------------------------------------------------------------------------------------

    def bot_start(self, **kwargs: Any) -> None:
        """Join the running bot, or set up the desk of a backtest. Without a gate the bot does not start."""
        self._attachment = joining.attach(self)

    @property
    def attachment(self) -> joining.Attachment:
        """What joined the bot or backtest; a copy in a worker process of hyperopt sets up its own."""
        if self._attachment is None:
            self._attachment = joining.attach(self)
        return self._attachment

    @property
    def desk(self) -> RiskDesk:
        """The risk desk of `attachment`."""
        return self.attachment.desk

    def __getstate__(self) -> dict[str, Any]:
        """Without locks and threads: hyperopt sends strategies to its workers."""
        return {**self.__dict__, "_attachment": None}

    def bot_loop_start(self, current_time: datetime, **kwargs: Any) -> None:
        """The breaker looks at candles and account; frozen, it locks entries and may reduce the book."""
        super().bot_loop_start(current_time=current_time, **kwargs)
        try:
            if self.desk.market.live:
                self.desk.look(current_time)
            else:
                self.desk.start_day(current_time)
                if self.settings.risk.breaker.reduce_to is not None:
                    self.desk.catch_up(current_time)
            self.attachment.apply_breaker()
        except Exception as error:
            logger.exception("the breaker's look at the market failed")
            self.attachment.fault(
                "the breaker could not look at the market; entries go on behind the gate", error
            )

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
        return self._capped_leverage(proposed_leverage, max_leverage)

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
        return self._sized_stake(
            proposed_stake, pair, current_time, current_rate, min_stake, leverage, entry_tag, side
        )

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
        trade: Any,
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
        return self._added_stake(self._due(trade, current_time), trade, current_time, current_rate, min_stake)

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
        trade: Any,
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
        trade: Any,
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

    def order_filled(self, pair: str, trade: Any, order: Any, current_time: datetime, **kwargs: Any) -> None:
        """Compare the fill with its plan; keep an entry's clamps with the trade."""
        try:
            self.attachment.filled(trade, order, _fill(trade, order, current_time))
        except Exception as error:
            logger.exception("noting a fill of %s failed", pair)
            self.attachment.fault(f"noting a fill of {pair} failed", error)

    # --- what the wrapped callbacks share ------------------------------------------------------------

    def _capped_leverage(self, wanted: float, max_leverage: float) -> float:
        return max(1.0, min(float(wanted), float(max_leverage), self.settings.risk.entry.leverage))

    def _sized_stake(
        self,
        stake: float,
        pair: str,
        now: datetime,
        rate: float,
        min_stake: float | None,
        leverage: float,
        tag: str | None,
        side: str,
        trade: Any = None,
    ) -> float:
        if self.desk.market.live:
            return stake  # the gate sizes it, with the order book at hand
        self.desk.catch_up(_utc(now))
        if self.desk.breaker.frozen:
            return 0.0
        sized = self.desk.size(pair, side, rate, stake, leverage, min_stake, trade)
        if sized.clamps and self.config.get("runmode") != RunMode.HYPEROPT:
            self.desk.journal.note(
                "clamps", pair, tag or "", candle=now.isoformat(), side=side, clamps=clamp_json(sized.clamps)
            )
        if sized.stake > 0.0 and self.settings.risk.liquidity.split:
            worth = sized.left_over if sized.left_over >= max(min_stake or 0.0, 1e-9) else 0.0
            self.desk.splits.note(pair, tag or "", worth, _utc(now))
            if worth > 0.0:
                self.position_adjustment_enable = True
        return sized.stake

    def _due(self, trade: Any, now: datetime) -> float | None:
        if not len(self.desk.splits) or trade.has_open_orders:
            return None
        return self.desk.splits.due(trade.pair, trade.enter_tag or "", _utc(now)) or None

    def _added_stake(
        self, wanted: Any, trade: Any, now: datetime, rate: float, min_stake: float | None
    ) -> Any:
        stake, tag = wanted if isinstance(wanted, tuple) else (wanted, None)
        if stake is None or stake <= 0.0:
            return wanted
        if self.desk.breaker.frozen:
            return None
        side = "short" if trade.is_short else "long"
        leverage = float(trade.leverage or 1.0)
        sized = self._sized_stake(
            float(stake), trade.pair, now, rate, min_stake, leverage, trade.enter_tag, side, trade
        )
        return (sized or None, tag) if tag is not None else (sized or None)

    def lock_until_next_candle(self, pair: str, reason: str) -> None:
        """A refused entry would be tried again every iteration."""
        until = timeframe_to_next_date(self.timeframe, datetime.now(UTC) + timedelta(seconds=1))
        self.lock_pair(pair, until, reason[:240])


def _clamped(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    """A subclass's callback, its answer cut to the limits; an exception is the answer that orders least."""

    @functools.wraps(method)
    def callback(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            answer = method(self, *args, **kwargs)
            return _CUT[name](self, answer, kwargs)
        except Exception as error:
            logger.exception("%s failed; nothing is ordered on it", name)
            if self._attachment is not None:
                self._attachment.fault(f"{name} failed; nothing is ordered on it", error)
            return _CLOSED[name]

    return callback


def _cut_leverage(self: Any, answer: Any, given: dict[str, Any]) -> float:
    leverage = float(answer)
    if not np.isfinite(leverage):
        raise ValueError(f"leverage {leverage}")
    return self._capped_leverage(leverage, given.get("max_leverage", leverage))


def _cut_stake(self: Any, answer: Any, given: dict[str, Any]) -> Any:
    return self._sized_stake(
        float(answer),
        *(given[k] for k in ("pair", "current_time", "current_rate", "min_stake", "leverage")),
        *(given.get(k) for k in ("entry_tag", "side")),
    )


def _cut_confirm(self: Any, answer: Any, given: dict[str, Any]) -> bool:
    return bool(answer) and not self.desk.breaker.frozen


def _cut_added(self: Any, answer: Any, given: dict[str, Any]) -> Any:
    keys = ("trade", "current_time", "current_rate", "min_stake")
    return self._added_stake(answer, *(given[k] for k in keys))


_CUT: dict[str, Callable[..., Any]] = {
    "leverage": _cut_leverage,
    "custom_stake_amount": _cut_stake,
    "confirm_trade_entry": _cut_confirm,
    "adjust_trade_position": _cut_added,
}
_CLOSED = {
    "leverage": 1.0,
    "custom_stake_amount": 0.0,
    "confirm_trade_entry": False,
    "adjust_trade_position": None,
}


def _fill(trade: Any, order: Any, now: datetime) -> Fill:
    planned = float(order.ft_price or order.price or order.safe_price)
    return Fill(
        pair=trade.pair,
        sign=fill_sign(trade, order),
        planned=planned,
        reached=float(order.safe_price),
        ordered_at=_utc(order.order_date_utc),
        filled_at=_utc(order.order_filled_utc or now),
    )


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
