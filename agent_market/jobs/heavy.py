"""Heavy jobs: they take minutes and run outside the bot's process."""

from __future__ import annotations

import logging
from datetime import UTC, timedelta
from typing import Any

import pandas as pd
from freqtrade.exchange import timeframe_to_seconds
from sqlalchemy import select

from agent_market.errors import DataError
from agent_market.jobs.job import JobContext
from agent_market.jobs.light import trades
from agent_market.memory.episodic import EpisodicMemory
from agent_market.memory.graph.job import discover
from agent_market.memory.long_term import LongTermMemory
from agent_market.queries.decisions import decision_page
from agent_market.reports.review import REVIEWED, Closed, review_text
from agent_market.store.backup import back_up, backups_in, prune
from agent_market.store.schema import episodes
from agent_market.store.trades import trades_closed
from agent_market.utils.durable import replace_text

logger = logging.getLogger(__name__)

GRAPH_CANDLES = 2_000
REVIEWS = "reviews"


def memory(bench: JobContext) -> dict[str, Any]:
    """Update layers, importance and the index files that a starting bot opens."""
    scope = bench.source.scope
    episode_count = move_count = 0
    pairs = _pairs_decided(bench, scope)
    for pair in pairs:
        bench.pause()
        one = EpisodicMemory(bench.database, scope, pair, bench.settings.memory)
        one.load(bench.now)
        one.assess(bench.now)
        one.flush()
        episode_count += len(one.decided())
        move_count += len(one.moves())
    return {"pairs": len(pairs), "episodes": episode_count, "moves": move_count}


def texts(bench: JobContext) -> dict[str, Any]:
    """Embed new views and notes, so that a search in the bot does not wait for a model."""
    return {"texts": len(LongTermMemory(bench.database, bench.source.scope, bench.settings.memory.text))}


def graph(bench: JobContext) -> dict[str, Any]:
    """Search for edges of the knowledge graph in the newest candles on disk and in agents' rewards."""
    length = timedelta(seconds=timeframe_to_seconds(bench.timeframe))
    closes: dict[str, pd.Series] = {}
    for pair in bench.pairs:
        bench.pause()
        frame = bench.prices(pair, bench.now - GRAPH_CANDLES * length)
        if len(frame):
            index = pd.DatetimeIndex(frame["date"]) + length
            closes.setdefault(pair.partition("/")[0], pd.Series(frame["close"].to_numpy(), index=index))
    found = discover(bench.database, bench.source.scope, closes, bench.now)
    return {"assets": len(closes), **(found if found is not None else {"looked": "less than a week ago"})}


def review(bench: JobContext) -> dict[str, Any]:
    """Write the review of the last complete UTC day once: decisions, outcomes and closed trades."""
    end = bench.now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    start = end - timedelta(days=1)
    file = bench.source.folder / REVIEWS / f"{start:%Y-%m-%d}.txt"
    if file.exists():
        return {"file": file.name, "written": False}
    page = decision_page(bench.source, since=start, until=end, limit=REVIEWED)
    try:
        trades(bench)  # the bot may be off, or have its light jobs off
    except DataError as error:
        logger.warning("the review of %s counts the trades mirrored so far: %s", file.stem, error)
    done = trades_closed(bench.database, bench.source.scope, start, end)
    closed = [Closed(trade.pair, trade.ratio or 0.0, trade.profit or 0.0) for trade in done]
    text = review_text(1, page.rows, closed, bench.currency, more=page.next is not None)
    replace_text(file, f"{start:%Y-%m-%d} UTC, written {bench.now:%Y-%m-%d %H:%M}\n{text}\n")
    return {"file": file.name, "written": True, "decisions": len(page.rows), "trades": len(closed)}


def backup(bench: JobContext) -> dict[str, Any]:
    """Back up the store and prune older copies."""
    folder = bench.source.user_data / "backups"
    copy = back_up(bench.source.url, folder, bench.now)
    deleted = prune(folder, bench.now)
    return {"file": copy.name, "kept": len(backups_in(folder)), "deleted": len(deleted)}


def _pairs_decided(bench: JobContext, scope: str) -> list[str]:
    query = select(episodes.c.pair).where(episodes.c.scope == scope).distinct().order_by(episodes.c.pair)
    with bench.database.begin() as connection:
        return list(connection.scalars(query))
