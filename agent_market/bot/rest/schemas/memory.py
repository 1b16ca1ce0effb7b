"""What memory says, and who was trusted."""

from __future__ import annotations

from datetime import datetime

from agent_market.bot.rest.schemas.base import Answer


class MemoryHit(Answer):
    """One text that memory holds."""

    id: str
    """Of the note or episode."""
    text: str
    """What it says."""
    score: float
    """How well it fits; higher is better, comparable within one answer only."""
    known_at: datetime
    """Since when it is known."""
    merged: list[str]
    """Ids of others that say the same."""
    contested_by: list[str]
    """Ids of others that say the opposite."""


class MemoryAnswer(Answer):
    """What memory says to some words."""

    asof: datetime
    """As of when: nothing that became known later is in it."""
    hits: list[MemoryHit]
    """Best first."""


class WeighingAnswer(Answer):
    """The weights of one decision."""

    asof: datetime
    """Close of the candle decided on."""
    pair: str
    """Pair."""
    decision: str
    """Its id."""
    weights: dict[str, float]
    """By agent; they sum to 1 over those that did not abstain."""


class WeightsAnswer(Answer):
    """Who was trusted how much."""

    weighings: list[WeighingAnswer]
    """Oldest first."""
