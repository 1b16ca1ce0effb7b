"""The committee: roles, debate, calibration of confidence, prompts that learn."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from agent_market.config.base import Settings
from agent_market.config.models import Tier

FactorGroup = Literal["trend", "reversion", "volatility", "volume", "context", "news", "memory"]


class RoleOverride(Settings):
    """What a config may change about one agent, or the whole of an added one."""

    name: str
    """Role name, lower case; one that the table does not have adds an agent."""
    enabled: bool = True
    """Whether the agent takes part at all."""
    temperament: str | None = None
    """The paragraph of the prompt that gives the agent its character; needed for an added agent."""
    sees: tuple[FactorGroup, ...] | None = None
    """Factor groups that the agent may see; unset keeps the table's, and gives an added agent all."""
    optimism: float | None = Field(default=None, ge=-1.0, le=1.0)
    """Temperament as numbers: -1 expects the worse of two readings, 0 neither, 1 the better."""
    rationality: float | None = Field(default=None, ge=0.0, le=1.0)
    """0 goes by impressions, 1 by the numbers alone."""
    risk_appetite: float | None = Field(default=None, ge=0.0, le=1.0)
    """0 takes almost no risk for a gain, 0.5 what the odds pay for, 1 any."""
    horizon: int | None = Field(default=None, ge=1, le=10_000)
    """Candles over which the agent thinks."""
    loss_aversion: float | None = Field(default=None, ge=1.0, le=10.0)
    """How many times a loss weighs as much as a gain of the same size (people: about 2.25)."""
    stage: Literal[1, 2] = 1
    """1 = asked together with the others, 2 = asked after them with their views (as the judge is)."""
    tier: Tier | None = None
    """Which model is asked: `fast` or, where `llm.deep` is set, `deep` (as the judge does)."""


class DebateSettings(Settings):
    """When the committee argues in full, and how long."""

    mode: Literal["auto", "compact", "full"] = "auto"
    """`compact`: all, then the judge; `full`: always debated; `auto`: if stakes or dispersion are high."""
    dispersion: float = Field(default=0.67, ge=0.0, le=1.0)
    """`auto`: agent expectation dispersion of the first views from which a full debate is held."""
    stakes: float = Field(default=0.05, gt=0)
    """`auto`: from this share of the position at stake too: mean |depth| / 10 x expected move."""
    proposer: str = "aggressive"
    """The agent that proposes."""
    critic: str = "conservative"
    """The agent that raises five objections."""
    judge: str = "judge"
    """The agent of stage 2 that rules."""
    min_rounds: int = Field(default=3, ge=1, le=10)
    """Fewest rounds of rebuttal."""
    max_rounds: int = Field(default=5, ge=1, le=10)
    """Most rounds of rebuttal."""
    settled: float = Field(default=0.5, ge=0.0)
    """The debate ends early when no depth moved by more than this in a round."""

    @model_validator(mode="after")
    def _ordered(self) -> DebateSettings:
        if self.min_rounds > self.max_rounds:
            raise ValueError(f"needs min_rounds <= max_rounds, got {self.min_rounds}, {self.max_rounds}")
        if len({self.proposer, self.critic, self.judge}) < 3:
            raise ValueError(f"needs three agents, got {self.proposer!r}, {self.critic!r}, {self.judge!r}")
        return self


class AgentSettings(Settings):
    """The committee."""

    roles: tuple[RoleOverride, ...] = ()
    """Changes to the built-in role table, and added agents, one row each."""
    feedback_file: Path | None = None
    """`feedback.jsonl` of earlier rounds. An entry is shown only to decisions at or after its `known_at`."""
    feedback_entries: int = Field(default=3, ge=0, le=20)
    """How many of the newest feedback entries a prompt carries."""
    steps: Literal["one", "two"] = "one"
    """Belief and decision in one call, or the belief first and then, in a second call, the decision on it."""
    beliefs: int = Field(default=1, ge=0, le=10)
    """How many of its own last beliefs an agent is shown, with their age and what happened since."""
    headlines: int = Field(default=8, ge=0, le=50)
    """How many of the newest headlines a prompt carries."""
    rule_evidence: bool = False
    """Whether prompts show the views of the arithmetic agents (trend, breadth, carry) beside the others'."""
    masking: Literal["backtests", "always", "never"] = "backtests"
    """Where prompts hide pair, dates, prices and names, so that no model answers from what it read later."""
    masked_names: tuple[str, ...] = ()
    """Further names of coins, firms, people or events that are hidden where prompts are masked."""
    debate: DebateSettings = DebateSettings()
    """The debate."""


class CalibrationSettings(Settings):
    """Whether stated confidence comes true, and what may depend on it."""

    method: Literal["platt", "isotonic", "none"] = "platt"
    """How raw confidence is mapped to a hit rate, on known outcomes only. `none` takes it as stated."""
    window: int = Field(default=250, ge=20)
    """Newest known outcomes on which the calibration error is measured, a pair."""
    least_fitted: int = Field(default=100, ge=20)
    """Fewest older outcomes that a mapping is fitted on; with fewer, confidence is not used."""
    refit_every: int = Field(default=25, ge=1)
    """The mapping is refitted after so many more known outcomes."""
    bins: int = Field(default=10, ge=2, le=100)
    """Bins of equal width over [0, 1] for calibration error and reliability curve."""
    largest_error: float = Field(default=0.05, gt=0, le=1)
    """Confidence may be used for position size only while its error on the window is at most this."""
    size_by_confidence: bool = False
    """Scale the stake by confidence, where it may be used. Never above the configured stake."""
    full_stake_at: float = Field(default=0.55, gt=0.5, le=1)
    """Recalibrated confidence from which the whole stake is used; down to 0.5 it falls in a straight line."""
    least_stake: float = Field(default=0.25, ge=0, le=1)
    """Smallest share of the stake that a low confidence leaves."""


class TuningSettings(Settings):
    """Prompts that learn from recorded decisions (`agent-market tune-prompts`)."""

    validation: float = Field(default=0.5, gt=0, lt=1)
    """Share of the recorded decisions, the latest, that a new prompt must prove itself on."""
    least_training: int = Field(default=1_000, ge=20)
    """With fewer decisions in the training span the command refuses."""
    least_validation: int = Field(default=1_000, ge=20)
    """With fewer in the validation span it refuses: noise would decide. The command states its power."""
    proposals: int = Field(default=12, ge=1, le=1_000)
    """New prompts that are proposed. Each counts as a trial and makes promotion harder."""
    minibatch: int = Field(default=256, ge=2)
    """Training decisions that each proposal is reflected on and first compared on."""
    shown_cases: int = Field(default=6, ge=0, le=50)
    """Decisions that the reflecting model is shown in full, beside the figures over the minibatch."""
    level: float = Field(default=0.05, gt=0, lt=1)
    """Largest p-value, after deflation by the number of trials, with which a prompt is promoted."""
    max_tokens: int = Field(default=2_000, ge=64)
    """Upper limit of tokens in one reflection."""
    seed: int = 7
    """Seed of minibatches and bootstrap."""
