"""Alerts, entries that wait for a yes, and what a caller orders."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from agent_market.bot.rest.schemas.base import Answer


class AlertAnswer(Answer):
    """One thing that happened."""

    id: int | None
    """Over restarts; null for a moment, until it is stored."""
    process: str
    """One start of a bot."""
    number: int
    """Rises by one each, from 1 at the bot's start."""
    at: datetime
    """When."""
    level: Literal["info", "warning", "critical"]
    """How bad."""
    topic: str
    """clamp, refusal, breaker, control, proposal, position, execution, fault or message."""
    text: str
    """For people."""
    data: dict[str, Any]
    """For programs."""
    resolved_at: datetime | None
    """When it was resolved; null = open."""
    resolved_by: str | None
    """Who, or what, resolved it."""


class AlertsAnswer(Answer):
    """Alerts, oldest first, those before a restart included."""

    process: str | None
    """Of the bot in this process, to whose numbers `after` refers; null without a bot."""

    alerts: list[AlertAnswer]
    """Alerts."""


class ProposalAnswer(Answer):
    """One entry that waits for a human's yes."""

    number: int
    """To answer with."""
    pair: str
    """Pair."""
    side: str
    """long or short."""
    tag: str
    """Entry tag; its last word is the decision's id."""
    stake: float
    """In stake currency, as the gate would allow it."""
    rate: float
    """Price."""
    leverage: float
    """Leverage."""
    asked_at: datetime
    """When it was asked."""
    expires_at: datetime
    """When silence becomes a no."""
    answer: Literal["pending", "confirmed", "refused", "expired", "used"]
    """Where it stands."""
    answered_by: str
    """Who answered; empty before."""


class ProposalsAnswer(Answer):
    """What waits for an answer."""

    proposals: list[ProposalAnswer]
    """Oldest first."""


class PauseOrder(Answer):
    """Why to pause."""

    reason: str = Field(default="", max_length=2_000)
    """Shown wherever the bot says that it is paused."""


class ModeOrder(Answer):
    """Which mode to take."""

    mode: Literal["auto", "confirm", "manual"]
    """auto, confirm or manual."""


class YesOrNo(Answer):
    """An answer to a proposal."""

    yes: bool
    """Whether the entry may be placed."""
