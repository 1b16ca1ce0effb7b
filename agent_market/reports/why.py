"""/why and /debate: the chain behind a trade, from what was seen to what was filled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from freqtrade.persistence import Trade

from agent_market.agents.debate.transcript import transcript
from agent_market.bot.account import open_trades
from agent_market.bot.journal.journal import decision_of
from agent_market.bot.queries.decisions import DecisionRow, decision_page, decision_whole
from agent_market.bot.queries.risk_log import Line
from agent_market.bot.telegram.request import Asked, moment
from agent_market.errors import DataError
from agent_market.plain_text import one_line
from agent_market.records import AgentView, Debate, Episode
from agent_market.store.risk_notes import LIVE

CASES = 3


def why(asked: Asked) -> str:
    """The decision behind a trade (by number), on a pair, or by id; without a word of the newest trade.

    :raises DataError: there is no such trade or decision.
    """
    decision, trade = _meant(asked)
    row, debate, lines = decision_whole(asked.source, asked.log, decision)
    return why_text(row, debate, lines, trade)


def debate(asked: Asked) -> str:
    """What was said before a decision; of the newest full debate without an id.

    :raises DataError: there is none.
    """
    if asked.words:
        decision, _ = _meant(asked)
    else:
        page = decision_page(asked.source, asked.log, debated=True, limit=1)
        if not page.rows:
            raise DataError("no full debate yet; /why shows what each agent said")
        decision = page.rows[0].episode.id
    row, held, _ = decision_whole(asked.source, asked.log, decision)
    return transcript(row.episode, held).rstrip()


def why_text(row: DecisionRow, debate: Debate | None, lines: Sequence[Line], trade: str) -> str:
    """Seen, remembered, said, weighed, limited, ordered, come of it: a line or a few each."""
    episode = row.episode
    view, decision, verdict = episode.view, episode.decision, episode.verdict
    said = [_view(v, decision.weights.get(v.agent, 0.0)) for v in episode.views]
    text = [
        f"{trade or 'Decision'} {episode.id}",
        f"Seen: {view.pair} {view.timeframe} at {moment(view.asof)}, regime {view.regime}",
        *_remembered(episode),
        *said,
        *([f"Debate: {debate.ended_reason}; /debate {episode.id}"] if debate is not None else []),
        f"Together: depth {decision.depth:+.2f} of 10, {decision.action}",
        *(
            f"Limit on depth: {c.limit} {c.before:+.2f} to {c.after:+.2f} "
            f"(limit {c.threshold:.4g}, seen {c.value:.4g})"
            for c in verdict.clamps
        ),
        *(_order(line) for line in lines),
        f"Fate: {row.fate.replace('_', ' ')}" + (f" ({row.refusal})" if row.refusal else ""),
    ]
    if episode.outcome is not None:
        text.append(f"Since then the market returned {episode.outcome.market_return:+.2%}")
    else:
        text.append(f"Its outcome is known at {moment(episode.due)}")
    return "\n".join(map(one_line, text))


def _remembered(episode: Episode) -> list[str]:
    cases = episode.recall.neighbours
    if not cases:
        return ["Remembered: no case like it"]
    mean = sum(case.market_return for case in cases) / len(cases)
    days = ", ".join(f"{case.asof:%Y-%m-%d %H:%M}" for case in cases[:CASES])
    taught = f"; {len(episode.recall.lessons)} lessons" if episode.recall.lessons else ""
    return [f"Remembered: {len(cases)} cases, mean return {mean:+.2%} (nearest {days}){taught}"]


def _view(view: AgentView, weight: float) -> str:
    if view.abstains:
        return f"- {view.agent} abstains: {view.abstained_reason}"
    words = view.belief or "; ".join(view.reasons)
    return f"- {view.agent} {view.depth:+.1f}, weight {weight:.2f}" + (f": {words}" if words else "")


def _order(line: Line) -> str:
    run = line.get("run", LIVE)
    where = "" if run == LIVE else f" in {run}"
    if line["kind"] == "clamps":
        return f"Limit on the order{where}: " + ", ".join(
            f"{c['limit']} {c['before']:.6g} to {c['after']:.6g} "
            f"(limit {c['threshold']:.4g}, seen {c['value']:.4g})"
            for c in line["clamps"]
        )
    if line["kind"] == "refusal":
        return f"Refused ({line['mode']}){where}: {line['cause']}"
    return f"Filled{where}: slippage {line['slippage']:+.3%}, {line['seconds']:.0f} s after the order"


def _meant(asked: Asked) -> tuple[str, str]:
    """(decision id, what was meant for the title)."""
    word = asked.first
    if word.isdecimal():
        trade = Trade.get_trades([Trade.id == int(word)]).first()
        if trade is None:
            raise DataError(f"there is no trade {word}; /status lists the open ones")
        return _of_trade(trade)
    if "@" in word:
        return word, "Decision"
    if not word:
        followed = [trade for trade in open_trades() if decision_of(trade.enter_tag)]
        if followed:
            return _of_trade(max(followed, key=lambda trade: int(trade.id)))
    page = decision_page(asked.source, asked.log, pair=word.upper() or None, limit=1)
    if not page.rows:
        raise DataError(f"no decision on {word.upper()!r}" if word else "no decision yet")
    return page.rows[0].episode.id, "Newest decision"


def _of_trade(trade: Any) -> tuple[str, str]:
    decision = decision_of(trade.enter_tag)
    if not decision:
        raise DataError(
            f"trade {trade.id} follows no decision of the agents; its entry tag is {trade.enter_tag!r}"
        )
    return decision, f"Trade {trade.id} follows"
