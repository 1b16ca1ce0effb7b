"""Weighing, the nets, and what trading costs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from agent_market.config.base import Settings


class NetSettings(Settings):
    """The learned nets behind `decision.weighting` = weight_net or two_stage."""

    prior: Literal["uniform", "hedge", "adahedge", "fixed_share", "ml_poly", "boa", "newton"] = "adahedge"
    """The online weighting that the nets begin as, and that decides where they have not proved themselves."""
    least_outcomes: int = Field(default=120, ge=40)
    """Fewest known outcomes of a pair from which its nets are trained; before, the prior decides."""
    most_outcomes: int = Field(default=4_000, ge=40)
    """Of more, the newest so many are learned from: it bounds the time of a training."""
    level: float = Field(default=0.05, ge=0.001, lt=1)
    """Largest p-value of the lead over what decides now, on the newest outcomes, with which a net decides."""
    epochs: int = Field(default=60, ge=1)
    """Most passes over the outcomes in one training; early stopping usually ends it sooner."""
    hidden: int = Field(default=32, ge=1)
    """Width of the nets' hidden layers."""
    head: Literal["target", "actions"] = "target"
    """What `two_stage` gives: a target depth with a zone in which nothing is traded, or buy / sell / hold."""
    state: bool = True
    """Whether the nets see the market state and what recall says, or the agents alone."""
    seed: int = 7
    """Seed of a training. On a CPU the same seed and decisions give the same nets."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where nets are trained: `auto` is CUDA where there is a device. Decisions are made on the CPU."""


class DecisionSettings(Settings):
    """When a decision is made, how the views are fused, and what counts as a hold."""

    cadence_candles: int = Field(default=12, ge=1)
    """A decision is made at least every so many candles, counted from the epoch, not from the run's start."""
    gate_move: float = Field(default=2.5, gt=0)
    """Between them, a move since the last decision of this many standard deviations asks for a new one."""
    gate_min_candles: int = Field(default=3, ge=1)
    """Fewest candles after a decision before such a move counts; the cadence is not held up by it."""
    horizon_candles: int = Field(default=12, ge=1)
    """Candles over which a decision's outcome is measured; also the horizon of the training target."""
    hold_threshold: float = Field(default=1.0, ge=0, lt=10)
    """A fused depth smaller than this, in absolute value, is a hold."""
    weighting: Literal[
        "uniform",
        "majority",
        "leader",
        "hedge",
        "adahedge",
        "fixed_share",
        "ml_poly",
        "boa",
        "newton",
        "weight_net",
        "two_stage",
    ] = "hedge"
    """How agents are weighed by their realised rewards (docs/concepts/decision.md); the last two are learned
    nets."""
    weighting_cash: bool = False
    """Whether cash is an expert beside the agents, so that weight can leave the market; always with nets."""
    weighting_mirrors: bool = False
    """Whether the opposite of each agent is an expert too, so that one that is reliably wrong is of use."""
    weighting_per_regime: bool = False
    """Whether weights are learned for each market regime on its own."""
    weighting_prior: dict[str, Annotated[float, Field(gt=0)]] = Field(
        default_factory=lambda: {"trend": 20.0, "breadth": 40.0}
    )
    """What an agent's learned weight is multiplied by, 1 where unnamed: whom to believe before an outcome."""
    learning_rate: float = Field(default=1.0, gt=0)
    """Multiplies the rate of Hedge, sqrt(8 ln N / t), and of fixed share; 1 has the textbook bound."""
    reward_scale: float = Field(default=3.0, gt=0)
    """Outcomes are divided by so many expected deviations and clipped to [-1, 1] before Hedge learns."""
    max_age_candles: int = Field(default=48, ge=1)
    """A view older than this no longer counts: depth 0 until a new decision is made."""
    nets: NetSettings = NetSettings()
    """The learned nets."""

    @property
    def has_nets(self) -> bool:
        """Whether `weighting` names a learned net; these need torch."""
        return self.weighting in ("weight_net", "two_stage")

    @property
    def has_cash(self) -> bool:
        """Whether cash is one of the experts."""
        return self.weighting_cash or self.has_nets


class CostSettings(Settings):
    """What trading costs, for rewards and outcomes (freqtrade charges its own in the backtest)."""

    fee: float = Field(default=0.001, ge=0, lt=0.1)
    """Fee of one side as a fraction of notional (0.001 = 10 basis points)."""
    slippage: float = Field(default=0.0002, ge=0, lt=0.1)
    """Expected slippage of one side as a fraction of notional."""

    @property
    def side(self) -> float:
        """Cost of one unit of turnover, as a fraction of notional."""
        return self.fee + self.slippage

    @property
    def round_trip(self) -> float:
        """Cost of entering and leaving a full position, as a fraction of notional."""
        return 2 * self.side
