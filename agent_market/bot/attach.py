"""`attach(strategy)`: what of ours runs beside a bot, set up in `bot_start` and taken down at its end.

In a backtest it sets up the desk alone.  The gate is the one part without which a bot does not start.
"""

from __future__ import annotations

import atexit
import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from freqtrade.enums import TRADE_MODES, RunMode

from agent_market.bot.alerting.alerts import AlertBus
from agent_market.bot.alerting.forwarding import Outbox, forwarder
from agent_market.bot.alerting.history import AlertHistory
from agent_market.bot.breaker.breaker_service import BreakerService
from agent_market.bot.breaker.price_sources import tick_looks
from agent_market.bot.confirmations import Confirmations
from agent_market.bot.control import Control
from agent_market.bot.freqtrade_internals import freqtrade as internals
from agent_market.bot.gate.entry_gate import EntryGate
from agent_market.bot.journal.decision_notes import DecisionNotes
from agent_market.bot.journal.journal import Journal
from agent_market.bot.journal.trade_mirror import TradeMirror
from agent_market.bot.manual.manual_orders import ManualSheet
from agent_market.bot.manual.watch import ManualWatch
from agent_market.bot.plugin import BotPlugin
from agent_market.bot.risk_engine import RiskEngine
from agent_market.bot.workers import Worker
from agent_market.errors import DataError, GateMissing
from agent_market.queries.run_context import open_source
from agent_market.risk.execution import Fill
from agent_market.runs.folders import control_folder
from agent_market.store.trades import newest_fills
from agent_market.utils.process_lock import hold
from agent_market.utils.redaction import Redactor

logger = logging.getLogger(__name__)

FLUSH_S = 1.0

_lock = threading.Lock()
_current: BotPlugin | None = None


def current() -> BotPlugin | None:
    """The bot that is attached in this process now; None without one. For REST routes and Telegram."""
    return _current


def attach(strategy: Any) -> BotPlugin:
    """Join the bot that runs `strategy`; in a backtest, set up its desk.

    An attachment that is still there (a reload that did not clean up) is taken down first.

    :raises GateMissing: live, and the risk gate cannot be installed: the bot must not start.
    """
    global _current
    live = strategy.config.get("runmode") in TRADE_MODES
    if not live:
        return _assemble(strategy, live=False)
    if _current is not None:
        _current.detach()
    attachment = _assemble(strategy, live=True)
    attachment.control.latch()
    attachment.on_detach(lambda: _forget(attachment))
    try:
        bot = internals.running_bot(strategy)
        gate = EntryGate(
            attachment.desk,
            attachment.control,
            attachment.confirmations,
            strategy.lock_until_next_candle,
            lambda pair, rate, leverage: bot.exchange.get_min_pair_stake_amount(
                pair, rate, strategy.stoploss, leverage
            ),
        )
        internals.install_gate(bot, gate)
        internals.mark_forced_entries(internals.rpc_of(strategy))
        internals.watch_orders(bot, attachment.manual.placed, attachment.manual.failed)
    except GateMissing:
        raise
    except Exception as error:
        raise GateMissing(f"the risk gate cannot be installed: {error!r}") from error
    _step(attachment, "the history of alerts", lambda: _keep_alerts(attachment))
    _step(attachment, "alerts", attachment.bus.start)
    _step(attachment, "the lock of its folder", lambda: _hold_folder(attachment))
    _step(attachment, "the fills of before", lambda: _recall_fills(attachment))
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


def _forget(attachment: BotPlugin) -> None:
    global _current
    with _lock:
        if _current is attachment:
            _current = None


def _assemble(strategy: Any, live: bool) -> BotPlugin:
    settings = strategy.settings
    user_data = Path(strategy.config["user_data_dir"])
    folder = control_folder(settings.bot.folder, user_data)
    redactor = Redactor(strategy.config)
    bus = AlertBus(settings.bot.alerts_kept, redactor)
    breaker = BreakerService(settings.risk.breaker, bus, folder / "breaker.json" if live else None)
    notes = DecisionNotes(strategy.config, type(strategy).__name__)
    if live:
        journal = Journal(folder, True, redactor, notes)
    else:
        journal = _backtest_journal(strategy, folder, redactor, notes)
    desk = RiskEngine(strategy, settings.risk, bus, breaker, journal)
    sheet = ManualSheet(folder if live else None, bus, redactor)
    return BotPlugin(
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


def _step(attachment: BotPlugin, what: str, action: Callable[[], None]) -> None:
    """One part beside the gate: a failure is logged and alerted, and trading is left alone."""
    try:
        action()
    except Exception as error:
        logger.exception("%s could not be joined to the bot", what)
        attachment.bus.publish("critical", "fault", f"{what} could not be joined to the bot: {error!r}")


def _start(attachment: BotPlugin, name: str, every_s: float, work: Callable[[], None]) -> None:
    worker = Worker(name, every_s, work, lambda error: attachment.fault(f"the thread {name} failed", error))
    attachment.workers.append(worker)
    worker.start()


def _hold_folder(attachment: BotPlugin) -> None:
    """Two bots would take each other's breaker state and day's loss: a trader must hear of it."""
    release = hold(attachment.control.folder)
    if release is not None:
        attachment.on_detach(release)
        return
    attachment.bus.publish(
        "critical",
        "control",
        f"another bot works in {attachment.control.folder}: each takes the other's breaker state and day's "
        "loss; set `agent_market.bot.folder`, one a bot",
    )


def _watch_ticks(attachment: BotPlugin, bot: Any) -> None:
    settings = attachment.desk.settings.breaker

    prices, look = tick_looks(bot, settings, attachment.breaker, attachment.bus, attachment.manual.silent)
    attachment.prices = prices
    _start(attachment, "ticks", settings.tick_seconds, look)


def _start_jobs(attachment: BotPlugin) -> None:
    if not attachment.strategy.settings.jobs.in_bot:
        return
    jobs = attachment.strategy.light_jobs(
        lambda level, text: attachment.bus.publish(level, "cost", text),
        attachment.fault,
    )
    if jobs.jobs:
        attachment.on_detach(jobs.end)
        _start(attachment, "jobs", jobs.every_s, jobs)


def _join_telegram(attachment: BotPlugin) -> None:
    if attachment.strategy.config.get("telegram", {}).get("enabled", False):
        from agent_market.bot.telegram.bridge import join  # noqa: PLC0415 - heavy, and only where it is enabled

        join(attachment)


def _join_messages(attachment: BotPlugin) -> None:
    manager = internals.rpc_manager(attachment.strategy)
    least = attachment.strategy.settings.bot.alerts.webhook
    outbox = Outbox("webhook", forwarder(manager, least, ("telegram",)))
    attachment.on_detach(outbox.stop)
    attachment.on_detach(attachment.bus.subscribe(outbox))
    mirror = TradeMirror(attachment.strategy.config)
    attachment.on_detach(mirror.write)
    _start(attachment, "trades", FLUSH_S, mirror.write)
    internals.listen(attachment.strategy, mirror.heard, attachment.detach)


def _keep_alerts(attachment: BotPlugin) -> None:
    history = AlertHistory(attachment.strategy.config)
    attachment.bus.subscribe(history)
    attachment.history = history
    _start(attachment, "alert-history", FLUSH_S, history.write)


def _recall_fills(attachment: BotPlugin) -> None:
    """Slippage seen before a restart counts after it."""
    config = attachment.strategy.config
    source = open_source(config)
    limits = attachment.desk.settings.execution
    try:
        kept = newest_fills(source.database, source.scope, limits.fills, bool(config.get("dry_run", True)))
    except DataError:  # no store yet
        return
    for fill in kept:
        sign = 1 if fill.side == "buy" else -1
        ordered_at = fill.at - timedelta(seconds=fill.seconds)
        attachment.desk.fills.add(Fill(fill.pair, sign, fill.planned, fill.reached, ordered_at, fill.at))
