"""/risk and /plan: what stands now, and what is meant to happen next."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from agent_market.bot.account import book_of
from agent_market.bot.confirmations import EntryProposal
from agent_market.bot.control import ControlState
from agent_market.bot.telegram.request import Asked
from agent_market.config import RiskSettings
from agent_market.queries.decisions import DecisionRow, decision_page
from agent_market.risk.breaker import BreakerState
from agent_market.risk.invalidation import invalidation_level
from agent_market.risk.orders import Book
from agent_market.utils.time import moment


def risk(asked: Asked) -> str:
    """The switch, the breaker, the book against its limits, and the newest clamps and refusals."""
    bot = asked.attachment
    book = book_of(bot.strategy, bot.desk.market.close)
    lines = [
        switch_text(bot.control.state()),
        breaker_text(bot.breaker.state),
        book_text(book, bot.desk.settings),
    ]
    newest = [line for _, line in asked.log.recent(200) if line["kind"] != "fill"][-5:]
    lines += [
        f"{line['at'][:16].replace('T', ' ')} {line['pair']}: "
        + (line["cause"] if line["kind"] == "refusal" else ", ".join(c["limit"] for c in line["clamps"]))
        for line in newest
    ]
    return "\n".join(["Risk", *lines])


def plan(asked: Asked) -> str:
    """The newest decision on each pair and what is to come of it; entries that wait for a yes.

    :raises DataError: there is no store yet.
    """
    bot = asked.attachment
    newest = [
        row
        for pair in bot.strategy.dp.current_whitelist()
        for row in decision_page(asked.source, pair=pair, limit=1).rows
    ]
    return plan_text(newest, bot.confirmations.pending(), bot.control.state(), datetime.now(UTC))


def switch_text(state: ControlState) -> str:
    """Whether entries may be placed, as far as humans said."""
    if state.damaged:
        return f"Entries: paused, for the switch cannot be read: {state.damaged}"
    unsaved = f"\nNot saved: {state.unsaved}" if state.unsaved else ""
    if state.paused:
        because = f": {state.reason}" if state.reason else ""
        since = f"since {moment(state.since)} by {state.paused_by}"
        return f"Entries: paused {since}{because}; mode {state.mode}{unsaved}"
    return f"Entries: on; mode {state.mode}{unsaved}"


def breaker_text(state: BreakerState) -> str:
    """Whether the breaker freezes entries."""
    if not state.frozen:
        return "Breaker: not frozen"
    until = f" until {moment(state.until)} at least" if state.until else ""
    return f"Breaker: frozen{until}: {state.reason}"


def book_text(book: Book, limits: RiskSettings) -> str:
    """Equity, free funds and each position, with the share of its limit."""
    if book.equity <= 0.0:
        return f"Equity {book.equity:.8g}, free {book.free:.8g}"
    at_stops = sum(h.loss_at_stop for h in book.holdings) / book.equity
    lines = [
        f"Equity {book.equity:,.2f}, free {book.free / book.equity:.0%} "
        f"(at least {limits.entry.free_funds:.0%} stays)",
        f"All stops together: {at_stops:.2%} of equity, limit {limits.budget.book_loss:.0%}",
    ]
    lines += [
        f"- {h.pair} {'short' if h.sign < 0 else 'long'}: {h.notional / book.equity:.1%} of equity "
        f"(limit {limits.entry.symbol_notional:.0%}), {h.loss_at_stop / book.equity:.2%} at its stop"
        for h in book.holdings
    ]
    return "\n".join(lines)


def plan_text(
    newest: Sequence[DecisionRow], waiting: Sequence[EntryProposal], control: ControlState, now: datetime
) -> str:
    """One line a pair, boldest first."""
    lines = ["Plan", switch_text(control)]
    for proposal in waiting:
        left = max(0, int((proposal.expires_at - now).total_seconds()))
        lines.append(f"Waits for your yes: {proposal.pair} {proposal.side}, {left} s left")
    if not newest:
        lines.append("No decision yet.")
    for row in sorted(newest, key=lambda r: -abs(r.episode.verdict.depth)):
        episode = row.episode
        depth = episode.verdict.depth
        line = (
            f"- {episode.view.pair}: {episode.verdict.action} at depth {depth:+.1f}, "
            f"{row.fate.replace('_', ' ')}; judged at {moment(episode.due)}"
        )
        if depth:
            sign = 1 if depth > 0 else -1
            level = invalidation_level(episode.views, episode.decision.weights, sign)
            line += f"; wrong at {level:+.1%}" if level is not None else ""
        lines.append(line)
    return "\n".join(lines)
