"""What the routes answer. Times are UTC; returns and shares are fractions (0.01 = one per cent)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from agent_market.bot.queries.decisions import Fate
from agent_market.records import Debate, Episode


class Answer(BaseModel):
    """Base: the docstring of a field is its description."""

    model_config = ConfigDict(use_attribute_docstrings=True, from_attributes=True)


class Switch(Answer):
    """The kill switch and the mode."""

    paused: bool
    """Whether no entry of any kind is placed."""
    mode: Literal["auto", "confirm", "manual"]
    """auto: agents' entries are placed; confirm: each needs a human's yes; manual: only forced entries."""
    paused_by: str
    """Who paused; empty while nothing is."""
    reason: str
    """Why it is paused, in the words of who did it."""
    since: datetime | None
    """Since when it is paused."""
    damaged: str
    """Why the switch cannot be read; it then counts as paused."""


class AlarmAnswer(Answer):
    """One condition of the market or account that is beyond its limit."""

    cause: str
    """Which condition."""
    threshold: float
    """Its limit."""
    value: float
    """What was seen."""
    where: str
    """In which pairs."""


class Breaker(Answer):
    """The circuit breaker."""

    frozen: bool
    """Whether entries are frozen."""
    since: datetime | None
    """Since when."""
    until: datetime | None
    """Until when at least."""
    alarms: list[AlarmAnswer]
    """Why."""


class Status(Answer):
    """What runs here."""

    version: str
    """Version of Agent Market."""
    runmode: str
    """freqtrade's run mode: live, dry_run or webserver."""
    attached: bool
    """Whether a bot in this process runs behind the risk gate."""
    strategy: str | None
    """Its strategy."""
    scope: str
    """Whose decisions the routes show unless they are asked for another `scope`."""
    has_store: bool
    """Whether decisions have been stored at all."""
    last_decision: datetime | None
    """Candle close of the newest decision."""
    switch: Switch
    """Kill switch and mode."""
    breaker: Breaker | None
    """Circuit breaker; null without a bot."""
    waiting: int
    """Entries that wait for a human's yes."""


class Run(Answer):
    """One run of the model that was noted."""

    scope: str
    """Its name here."""
    runmode: str
    """backtest, dry_run, live or other."""
    pairs: list[str]
    """Its pairs."""
    timeframe: str
    """Of its candles."""
    timerange: str
    """freqtrade's time range, empty where none was set."""
    agents: list[str]
    """Who sat in the committee."""
    llm_model: str
    """Which model answered."""
    version: str
    """Version of Agent Market."""


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
    fate: Fate
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

    fate: Fate
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
    fate: Fate
    """What became of it."""


class DebatePage(Answer):
    """Debates, newest first."""

    debates: list[DebateSummary]
    """Those of this page."""
    next: str | None
    """Pass it as `before` for the page after this one; null at the end."""


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


class Budget(Answer):
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
    budget: Budget | None
    """Risk budget; null without a bot."""
    limits: dict[str, Any]
    """The settings `agent_market.risk`, see docs/configuration.md."""
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


class AlertAnswer(Answer):
    """One thing that happened."""

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


class AlertsAnswer(Answer):
    """The newest alerts of the bot in this process, oldest first; none without a bot."""

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

    reason: str = ""
    """Shown wherever the bot says that it is paused."""


class ModeOrder(Answer):
    """Which mode to take."""

    mode: Literal["auto", "confirm", "manual"]
    """auto, confirm or manual."""


class YesOrNo(Answer):
    """An answer to a proposal."""

    yes: bool
    """Whether the entry may be placed."""
