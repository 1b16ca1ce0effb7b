"""What asking models has cost, from the table `spend`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select

from agent_market.config import Caps
from agent_market.queries.run_context import RunContext
from agent_market.store.schema import spend
from agent_market.store.spend import Spent, spent

DAYS = 30


@dataclass(frozen=True, slots=True)
class Share:
    """What one role of one model has spent; `cost` in the currency of the prices, None without a price."""

    role: str
    model: str
    calls: int
    tokens: int
    cost: float | None


@dataclass(frozen=True, slots=True)
class Cost:
    """Spent in this UTC day, in the last 30 days and ever, all over the store; the day's caps; by role."""

    currency: str
    today: Spent
    month: Spent
    total: Spent
    day_caps: Caps
    shares: tuple[Share, ...]


def cost_of(source: RunContext, now: datetime | None = None) -> Cost:
    """What the store's models have cost; `shares` are those of the last 30 days, dearest first.

    :raises StoreError: the store cannot be read.
    """
    moment = now or datetime.now(UTC)
    day = int(moment.replace(hour=0, minute=0, second=0, microsecond=0).timestamp())
    month = int((moment - timedelta(days=DAYS)).timestamp())
    database, budget = source.database, source.settings.budget
    tokens = func.sum(spend.c.prompt_tokens + spend.c.completion_tokens)
    query = (
        select(spend.c.role, spend.c.model, func.count(), tokens, func.sum(spend.c.cost_nano))
        .where(spend.c.at >= month)
        .group_by(spend.c.role, spend.c.model)
    )
    with database.begin() as connection:
        rows = connection.execute(query).all()
    shares = [
        Share(r[0], r[1], int(r[2]), int(r[3]), None if r[4] is None else int(r[4]) / 1e9) for r in rows
    ]
    return Cost(
        currency=budget.currency,
        today=spent(database, since=day),
        month=spent(database, since=month),
        total=spent(database),
        day_caps=budget.day,
        shares=tuple(sorted(shares, key=lambda s: (-(s.cost or 0.0), s.role, s.model))),
    )
