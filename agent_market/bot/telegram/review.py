"""/review: the decisions and trades of the last days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from freqtrade.persistence import Trade

from agent_market.bot.telegram.request import Asked
from agent_market.queries.decisions import decision_page
from agent_market.reports.review import REVIEWED, Closed, review_text

DAYS = 7


def review(asked: Asked) -> str:
    """The last `DAYS` days, or as many as the first word says.

    :raises ConfigError: it is no number from 1 to 365.
    :raises DataError: there is no store yet.
    """
    days = asked.number(DAYS, 1, 365)
    since = datetime.now(UTC) - timedelta(days=days)
    page = decision_page(asked.source, since=since, limit=REVIEWED)
    trades = Trade.get_trades([Trade.is_open.is_(False), Trade.close_date >= since.replace(tzinfo=None)])
    closed = [Closed(t.pair, float(t.close_profit or 0.0), float(t.close_profit_abs or 0.0)) for t in trades]
    currency = str(asked.attachment.strategy.config["stake_currency"])
    return review_text(days, page.rows, closed, currency, more=page.next is not None)
