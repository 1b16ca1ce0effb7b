"""Decisions and the debates that led to them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from agent_market.bot.rest.schemas.base import Answer
from agent_market.records import Debate, Episode
from agent_market.store.fates import DecisionStatus


class DecisionSummary(Answer):
    """One decision in a list."""

    id: str
    """As entry tags name it."""
    pair: str
    """Pair decided on."""
    asof: datetime
    """Close of the candle decided on: nothing later was known."""
    depth: float
    """What the committee wanted, -10 (short) to 10 (long)."""
    allowed_depth: float
    """What limits on depth left of it."""
    action: Literal["buy", "sell", "hold"]
    """Side that was wanted."""
    confidence: float
    """0 to 1."""
    fate: DecisionStatus
    """traded: an entry filled; refused: the gate let no order through; clamped: limits took the side away;
    hold: no side was wanted; not_traded: a side was wanted and no entry asked for it."""
    refusal: str
    """Cause of the gate's newest refusal; empty without one."""
    clamps: list[str]
    """Names of the limits on depth that bound."""
    debated: bool
    """Whether a full debate led to it."""
    market_return: float | None
    """What the market did over the horizon; null until it is known."""


class DecisionPage(Answer):
    """Decisions, newest first."""

    decisions: list[DecisionSummary]
    """Those that the filter lets through."""
    next: str | None
    """Pass it as `before` for the page after this one; null at the end. A page may be short or empty and have
    one: a rare `fate` is looked for in 2,000 decisions at a time."""


class DecisionWhole(Answer):
    """All about one decision."""

    fate: DecisionStatus
    """What became of it, see the list."""
    refusal: str
    """Cause of the gate's newest refusal; empty without one."""
    episode: Episode
    """What was known, recalled, said, weighed, decided, allowed, and came of it."""
    debate: Debate | None
    """The full debate; null where none was held."""
    journal: list[dict[str, Any]]
    """Lines of the risk journal about it: clamps, refusals and fills."""


class DebateAnswer(Answer):
    """One debate."""

    decision: str
    """Id of the decision that it led to."""
    debate: Debate | None
    """Everything that was said; null where no full debate was held."""
    transcript: str
    """The same as text for people; without a debate, each agent's view."""


class DebateSummary(Answer):
    """One debate in a list."""

    decision: str
    """Id of the decision that it led to."""
    pair: str
    """Pair."""
    asof: datetime
    """Close of the candle decided on."""
    depth: float
    """Depth it ended with, -10 to 10."""
    fate: DecisionStatus
    """What became of it."""


class DebatePage(Answer):
    """Debates, newest first."""

    debates: list[DebateSummary]
    """Those of this page."""
    next: str | None
    """Pass it as `before` for the page after this one; null at the end."""
