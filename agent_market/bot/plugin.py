"""What joined one bot, and its part in each iteration of it: locks, sales, alerts, notes, and its end."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from freqtrade.persistence import Order, Trade

from agent_market.bot.alerting.alerts import AlertBus
from agent_market.bot.alerting.history import AlertHistory
from agent_market.bot.breaker.breaker_service import BreakerService
from agent_market.bot.breaker.failover import FailOver
from agent_market.bot.breaker.ticks import Prices
from agent_market.bot.confirmations import Confirmations
from agent_market.bot.control import Control
from agent_market.bot.freqtrade_internals import freqtrade as internals
from agent_market.bot.invalidations import Invalidations
from agent_market.bot.journal.journal import Journal
from agent_market.bot.journal.trade_notes import note_decision
from agent_market.bot.manual.watch import ManualWatch
from agent_market.bot.risk_engine import RiskEngine
from agent_market.bot.workers import Worker
from agent_market.errors import DataError
from agent_market.risk.execution import Fill
from agent_market.utils.redaction import Redactor

logger = logging.getLogger(__name__)

BREAKER_LOCK = "agent-market breaker"


@dataclass
class BotPlugin:
    """What joined one bot (or one backtest). `live` is False in backtests: no gate, no threads, no files."""

    strategy: Any
    desk: RiskEngine
    bus: AlertBus
    breaker: BreakerService
    control: Control
    confirmations: Confirmations
    journal: Journal
    manual: ManualWatch
    live: bool
    redactor: Redactor
    workers: list[Worker] = field(default_factory=list)
    reducing: frozenset[str] = frozenset()
    prices: FailOver[Prices] | None = None
    history: AlertHistory | None = None
    _warned: set[int] = field(default_factory=set)
    _faults: dict[str, int] = field(default_factory=dict)
    _locked_for: str | None = None  # not known: a bot that was killed may have left its lock behind
    _invalidations: Invalidations | None = None
    _undecided: bool = False
    _closed: list[Callable[[], None]] = field(default_factory=list)

    def on_detach(self, action: Callable[[], None]) -> None:
        """Call `action` when this bot ends or reloads: stop your threads there."""
        self._closed.append(action)

    def fault(self, what: str, error: Exception) -> None:
        """Something beside the gate failed: alerted the first time, then each hundredth; trading goes on."""
        count = self._faults[what] = self._faults.get(what, 0) + 1
        if count % 100 == 1:
            self.bus.publish("warning", "fault", f"{what}: {error!r}", count=count)

    def apply_breaker(self) -> None:
        """Bot's thread, once an iteration: locks that a trader sees, and the sale down to the safe level."""
        state = self.breaker.state
        self.reducing = frozenset(self.desk.beyond_safe_level())
        if not self.live:
            return
        if state.frozen and state.until and self._locked_for != state.reason:
            self.strategy.lock_pair("*", state.until, BREAKER_LOCK)
            self._locked_for = state.reason
        elif not state.frozen and self._locked_for != "":
            self.strategy.unlock_reason(BREAKER_LOCK)
            self._locked_for = ""
        for trade_id in self.reducing:
            try:
                internals.force_exit(internals.rpc_of(self.strategy), trade_id)
            except Exception as error:
                logger.exception("trade %s cannot be sold", trade_id)
                self.fault(f"the breaker cannot sell trade {trade_id}", error)
                self.manual.not_sold(trade_id, f"the breaker reduces the book ({state.reason})", error)
        self.manual.hold()

    def watch_position(self, trade: Trade, profit: float) -> None:
        """Alert a trade's loss beyond `risk.position.warn_loss`, once."""
        limit = self.desk.settings.position.warn_loss
        if profit < -limit and trade.id not in self._warned:
            self._warned.add(trade.id)
            text = f"{trade.pair} loses {-profit:.1%}, beyond {limit:.1%}"
            self.bus.publish("warning", "position", text, pair=trade.pair, trade=trade.id, profit=profit)

    def invalidation(self, trade: Trade) -> tuple[float, float | None]:
        """Close at the trade's decision, and the return from there that proves it wrong (None = not said)."""
        if self._invalidations is None and not self._undecided:
            try:
                self._invalidations = Invalidations(self.strategy)
            except DataError as error:  # a strategy without our model: nothing to look up, ever
                self._undecided = True
                self.fault("no agents' decisions to take invalidation levels from", error)
        if self._invalidations is None:
            return 0.0, None
        return self._invalidations.of(trade.enter_tag or "", -1 if trade.is_short else 1)

    def filled(self, trade: Trade, order: Order, fill: Fill) -> None:
        """Note a fill; alert a poor one; keep the entry's clamps on the trade (`agent_market_risk`)."""
        poor = self.desk.fills.add(fill)
        when = {} if self.live else {"candle": fill.filled_at.isoformat()}
        tag = trade.enter_tag or ""
        self.journal.note("fill", fill.pair, tag, slippage=fill.slippage, seconds=fill.seconds, **when)
        for cause in poor:
            self.bus.publish("warning", "execution", f"{fill.pair}: {cause}", pair=fill.pair)
        if self.live and order.ft_order_side == trade.entry_side:
            clamps = [n for n in self.journal.recent(50, trade.pair) if n["kind"] == "clamps"]
            if clamps:
                trade.set_custom_data("agent_market_risk", clamps[-1])
            note_decision(self.strategy.config, trade)

    def detach(self) -> None:
        """Stop every thread of ours; called at the bot's end and before a reload. Twice is harmless."""
        while self._closed:
            action = self._closed.pop()
            try:
                action()
            except Exception:
                logger.exception("something that joined the bot did not end well")
        while self.workers:
            if not self.workers.pop().stop():
                logger.error("a worker did not stop in time; it is a daemon and ends with the process")
        self.bus.stop()
        if self.history is not None:
            self.history.write()
        self.journal.flush()
