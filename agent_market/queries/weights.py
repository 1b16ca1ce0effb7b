"""Who was trusted how much, over time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from agent_market.queries.decisions import decision_page
from agent_market.queries.run_context import RunContext


@dataclass(frozen=True, slots=True)
class Weighing:
    """The weights of one decision: they sum to 1 over the agents that did not abstain."""

    asof: datetime
    pair: str
    decision: str
    weights: Mapping[str, float]


def weights_over_time(
    source: RunContext,
    pair: str | None = None,
    since: datetime | None = None,
    limit: int = 200,
) -> tuple[Weighing, ...]:
    """The newest `limit` weighings, oldest first."""
    page = decision_page(source, pair, None, since, None, limit)
    return tuple(
        Weighing(e.view.asof, e.view.pair, e.id, e.decision.weights)
        for e in (row.episode for row in reversed(page.rows))
    )
