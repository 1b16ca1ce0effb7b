"""The decision behind a trade, kept on the trade where FreqUI and `/api/v1/trades` show it."""

from __future__ import annotations

from typing import Any

from freqtrade.persistence import Trade

from agent_market.errors import DataError
from agent_market.queries.run_context import open_source
from agent_market.records import decision_of
from agent_market.store.episodes import find_episode

KEY = "agent_market_decision"


def note_decision(config: dict[str, Any], trade: Trade) -> None:
    """Keep id, depth and each agent's contribution as `custom_data`; a tag that names no decision adds none.

    :raises StoreError: the store cannot be read.
    """
    decision = decision_of(trade.enter_tag)
    if not decision:
        return
    try:
        source = open_source(config)
        episode = find_episode(source.database, source.scope, decision)
    except DataError:  # a strategy without our model stores no decisions
        return
    if episode is None:
        return
    note = {
        "decision": decision,
        "depth": episode.decision.depth,
        "allowed_depth": episode.verdict.depth,
        "confidence": episode.decision.confidence,
        "contributions": dict(episode.decision.contributions),
        "clamps": [clamp.limit for clamp in episode.verdict.clamps],
    }
    trade.set_custom_data(KEY, note)
