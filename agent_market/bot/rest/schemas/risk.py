"""Risk and cost against their limits."""

from __future__ import annotations

from typing import Any

from agent_market.bot.rest.schemas.base import Answer
from agent_market.bot.rest.schemas.status import Breaker


class HoldingAnswer(Answer):
    """One open trade with its open entry orders."""

    pair: str
    """Pair."""
    sign: int
    """1 = long, -1 = short."""
    notional: float
    """Stake times leverage, in stake currency."""
    loss_at_stop: float
    """What it loses at its stop, in stake currency."""


class BudgetAnswer(Answer):
    """The loss at all stops together."""

    equity: float
    """Free funds, stakes and unrealised profit, in stake currency."""
    free: float
    """Free funds, in stake currency."""
    book_loss_limit: float
    """Most that may be lost at all stops, in stake currency, before limits tighten with volatility."""
    book_loss_used: float
    """What open positions would lose."""
    book_loss_left: float
    """The rest, never below 0."""
    holdings: list[HoldingAnswer]
    """Open positions."""


class RiskAnswer(Answer):
    """Limits, what is used of them, and the newest lines of the risk journal."""

    breaker: Breaker | None
    """Circuit breaker; null without a bot."""
    budget: BudgetAnswer | None
    """Risk budget; null without a bot."""
    limits: dict[str, Any]
    """The settings `agent_market.risk`, see docs/reference/configuration.md."""
    journal: list[dict[str, Any]]
    """Newest clamps, refusals and fills, oldest first: `at`, `kind`, `pair`, `decision` and more."""


class Sum(Answer):
    """Requests to models over some time."""

    calls: int
    """Requests that were billed or may have been."""
    tokens: int
    """Prompt and answered tokens."""
    cost: float
    """Money, in `currency`; models without a price count 0."""


class CostShare(Answer):
    """What one role of one model has spent in 30 days."""

    role: str
    """Agent or part that asked."""
    model: str
    """Model that answered."""
    calls: int
    """Requests."""
    tokens: int
    """Prompt and answered tokens."""
    cost: float | None
    """Money; null without a price."""


class CostAnswer(Answer):
    """What asking models has cost, over all runs on this store."""

    currency: str
    """Of all money here."""
    today: Sum
    """This UTC day."""
    month: Sum
    """The last 30 days."""
    total: Sum
    """Ever."""
    day_caps: Sum
    """The most that a day may take."""
    shares: list[CostShare]
    """The last 30 days by role and model, dearest first."""
