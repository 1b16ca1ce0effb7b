"""/why and /debate: find the decision that is meant, and show the chain behind it."""

from __future__ import annotations

from freqtrade.persistence import Trade

from agent_market.agents.debate.transcript import transcript
from agent_market.bot.account import open_trades
from agent_market.bot.telegram.request import Asked
from agent_market.errors import DataError
from agent_market.queries.decisions import decision_page, decision_whole
from agent_market.records import decision_of
from agent_market.reports.why import why_text


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
        page = decision_page(asked.source, debated=True, limit=1)
        if not page.rows:
            raise DataError("no full debate yet; /why shows what each agent said")
        decision = page.rows[0].episode.id
    row, held, _ = decision_whole(asked.source, asked.log, decision)
    return transcript(row.episode, held).rstrip()


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
    page = decision_page(asked.source, pair=word.upper() or None, limit=1)
    if not page.rows:
        raise DataError(f"no decision on {word.upper()!r}" if word else "no decision yet")
    return page.rows[0].episode.id, "Newest decision"


def _of_trade(trade: Trade) -> tuple[str, str]:
    decision = decision_of(trade.enter_tag)
    if not decision:
        raise DataError(
            f"trade {trade.id} follows no decision of the agents; its entry tag is {trade.enter_tag!r}"
        )
    return decision, f"Trade {trade.id} follows"
