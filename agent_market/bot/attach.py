"""`attach(strategy)`: what of ours runs beside a bot, set up in `bot_start` and taken down at its end.

In a backtest it sets up the desk alone.  The gate is the one part without which a bot does not start.
"""

from __future__ import annotations

import atexit
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from freqtrade.enums import RunMode

from agent_market.bot.alerting.alerts import AlertBus
from agent_market.bot.alerting.forwarding import Outbox, forwarder
from agent_market.bot.breaker.breaker_desk import BreakerDesk
from agent_market.bot.breaker.failover import FailOver
from agent_market.bot.breaker.price_sources import tick_looks
from agent_market.bot.breaker.ticks import Prices
from agent_market.bot.confirmations import Confirmations
from agent_market.bot.control import Control, control_folder
from agent_market.bot.desk import RiskDesk
from agent_market.bot.gate.entry_gate import EntryGate
from agent_market.bot.invalidations import Invalidations
from agent_market.bot.manual.sheet import ManualSheet
from agent_market.bot.manual.watch import ManualWatch
from agent_market.bot.market import LIVE
from agent_market.bot.noting.decision_notes import DecisionNotes
from agent_market.bot.noting.journal import Journal
from agent_market.bot.noting.trade_notes import note_decision
from agent_market.bot.seams import freqtrade as seams
from agent_market.bot.workers import Worker
from agent_market.errors import DataError, GateMissing
from agent_market.redaction import Redactor
from agent_market.risk.execution import Fill

logger = logging.getLogger(__name__)

FLUSH_S = 1.0
BREAKER_LOCK = "agent-market breaker"

_lock = threading.Lock()
_current: Attachment | None = None


@dataclass
class Attachment:
    """What joined one bot (or one backtest). `live` is False in backtests: no gate, no threads, no files."""

    strategy: Any
    desk: RiskDesk
    bus: AlertBus
    breaker: BreakerDesk
    control: Control
    confirmations: Confirmations
    journal: Journal
    manual: ManualWatch
    live: bool
    redactor: Redactor
    workers: list[Worker] = field(default_factory=list)
    reducing: frozenset[str] = frozenset()
    prices: FailOver[Prices] | None = None
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
                seams.force_exit(seams.rpc_of(self.strategy), trade_id)
            except Exception as error:
                logger.exception("trade %s cannot be sold", trade_id)
                self.fault(f"the breaker cannot sell trade {trade_id}", error)
                self.manual.not_sold(trade_id, f"the breaker reduces the book ({state.reason})", error)
        self.manual.hold()

    def watch_position(self, trade: Any, profit: float) -> None:
        """Alert a trade's loss beyond `risk.position.warn_loss`, once."""
        limit = self.desk.settings.position.warn_loss
        if profit < -limit and trade.id not in self._warned:
            self._warned.add(trade.id)
            text = f"{trade.pair} loses {-profit:.1%}, beyond {limit:.1%}"
            self.bus.publish("warning", "position", text, pair=trade.pair, trade=trade.id, profit=profit)

    def invalidation(self, trade: Any) -> tuple[float, float | None]:
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

    def filled(self, trade: Any, order: Any, fill: Fill) -> None:
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
        global _current
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
        self.journal.flush()
        with _lock:
            if _current is self:
                _current = None


def current() -> Attachment | None:
    """The bot that is attached in this process now; None without one. For REST routes and Telegram."""
    return _current


def attach(strategy: Any) -> Attachment:
    """Join the bot that runs `strategy`; in a backtest, set up its desk.

    An attachment that is still there (a reload that did not clean up) is taken down first.

    :raises GateMissing: live, and the risk gate cannot be installed: the bot must not start.
    """
    global _current
    live = strategy.config.get("runmode") in LIVE
    if not live:
        return _assemble(strategy, live=False)
    if _current is not None:
        _current.detach()
    attachment = _assemble(strategy, live=True)
    try:
        bot = seams.running_bot(strategy)
        gate = EntryGate(
            attachment.desk,
            attachment.control,
            attachment.confirmations,
            strategy.lock_until_next_candle,
            lambda pair, rate, leverage: bot.exchange.get_min_pair_stake_amount(
                pair, rate, strategy.stoploss, leverage
            ),
        )
        seams.install_gate(bot, gate)
        seams.mark_forced_entries(seams.rpc_of(strategy))
        seams.watch_orders(bot, attachment.manual.placed, attachment.manual.failed)
    except GateMissing:
        raise
    except Exception as error:
        raise GateMissing(f"the risk gate cannot be installed: {error!r}") from error
    _step(attachment, "alerts", attachment.bus.start)
    _step(attachment, "the bot's messages", lambda: _join_messages(attachment))
    _step(attachment, "Telegram", lambda: _join_telegram(attachment))
    _step(
        attachment,
        "the risk journal",
        lambda: _start(attachment, "journal", FLUSH_S, attachment.journal.flush),
    )
    _step(attachment, "the tick watch", lambda: _watch_ticks(attachment, bot))
    _step(attachment, "the jobs", lambda: _start_jobs(attachment))
    with _lock:
        _current = attachment
    state = attachment.control.state()
    attachment.bus.publish(
        "info",
        "control",
        f"risk gate installed; mode {state.mode}{', paused' if state.paused else ''}"
        f"{', entries frozen: ' + attachment.breaker.state.reason if attachment.breaker.frozen else ''}",
    )
    return attachment


def _assemble(strategy: Any, live: bool) -> Attachment:
    settings = strategy.settings
    user_data = Path(strategy.config["user_data_dir"])
    folder = control_folder(settings.bot.folder, user_data)
    redactor = Redactor(strategy.config)
    bus = AlertBus(settings.bot.alerts_kept, redactor)
    breaker = BreakerDesk(settings.risk.breaker, bus, folder / "breaker.json" if live else None)
    notes = DecisionNotes(strategy.config, type(strategy).__name__)
    if live:
        journal = Journal(folder, True, redactor, notes)
    else:
        journal = _backtest_journal(strategy, folder, redactor, notes)
    desk = RiskDesk(strategy, settings.risk, bus, breaker, journal)
    sheet = ManualSheet(folder if live else None, bus, redactor)
    return Attachment(
        strategy=strategy,
        desk=desk,
        bus=bus,
        breaker=breaker,
        control=Control(folder),
        confirmations=Confirmations(timedelta(minutes=settings.bot.confirm_minutes)),
        journal=journal,
        manual=ManualWatch(desk, sheet, settings.bot.manual_after_s),
        live=live,
        redactor=redactor,
    )


def _backtest_journal(strategy: Any, folder: Path, redactor: Redactor, notes: DecisionNotes) -> Journal:
    if strategy.config.get("runmode") != RunMode.BACKTEST:
        return Journal(None)
    journal = Journal(folder / "backtest" / type(strategy).__name__, False, redactor, notes)
    atexit.register(journal.flush)  # freqtrade tells a strategy of no backtest's end
    return journal


def _step(attachment: Attachment, what: str, action: Callable[[], None]) -> None:
    """One part beside the gate: a failure is logged and alerted, and trading is left alone."""
    try:
        action()
    except Exception as error:
        logger.exception("%s could not be joined to the bot", what)
        attachment.bus.publish("critical", "fault", f"{what} could not be joined to the bot: {error!r}")


def _start(attachment: Attachment, name: str, every_s: float, work: Callable[[], None]) -> None:
    worker = Worker(name, every_s, work, lambda error: attachment.fault(f"the thread {name} failed", error))
    attachment.workers.append(worker)
    worker.start()


def _watch_ticks(attachment: Attachment, bot: Any) -> None:
    settings = attachment.desk.settings.breaker

    prices, look = tick_looks(bot, settings, attachment.breaker, attachment.bus, attachment.manual.silent)
    attachment.prices = prices
    _start(attachment, "ticks", settings.tick_seconds, look)


def _start_jobs(attachment: Attachment) -> None:
    if not attachment.strategy.settings.jobs.in_bot:
        return
    from agent_market.jobs.in_bot import LightJobs  # noqa: PLC0415 - it needs what this package has

    jobs = LightJobs(
        attachment.strategy,
        lambda level, text: attachment.bus.publish(level, "cost", text),
        attachment.fault,
    )
    if jobs.jobs:
        attachment.on_detach(jobs.end)
        _start(attachment, "jobs", jobs.every_s, jobs)


def _join_telegram(attachment: Attachment) -> None:
    if attachment.strategy.config.get("telegram", {}).get("enabled", False):
        from agent_market.bot.telegram.joining import join  # noqa: PLC0415 - heavy, and only where it is enabled

        join(attachment)


def _join_messages(attachment: Attachment) -> None:
    manager = seams.rpc_manager(attachment.strategy)
    least = attachment.strategy.settings.bot.alerts.webhook
    outbox = Outbox("webhook", forwarder(manager, least, ("telegram",)))
    attachment.on_detach(outbox.stop)
    attachment.on_detach(attachment.bus.subscribe(outbox))
    seams.listen(attachment.strategy, lambda message: None, attachment.detach)
