"""All settings of Agent Market, as types: one sentence a field, checked once, at the edge.

They stand under the key `agent_market` of an ordinary freqtrade config, so freqtrade's own ways of
merging files and of setting a key from the environment
(`FREQTRADE__AGENT_MARKET__LLM__BASE_URL=...`) work for them too.  Secrets are never settings:
`llm.api_key_env` names the environment variable that holds the key.

`docs/configuration.md` is generated from this module (`agent-market docs settings`).
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from agent_market.errors import ConfigError

SECTION = "agent_market"

T = TypeVar("T", bound="Settings")


class Settings(BaseModel):
    """Base of every settings type: immutable, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class EndpointSettings(Settings):
    """One more endpoint with the model that it serves."""

    base_url: str
    """Base URL of an OpenAI-compatible server."""
    model: str
    """Model name sent with each request."""
    api_key_env: str = "AGENT_MARKET_LLM_API_KEY"
    """Name of the environment variable that holds its API key; unset means no key is sent."""


class LLMSettings(Settings):
    """The endpoint that the LLM agents ask, over the OpenAI protocol."""

    base_url: str = "http://127.0.0.1:11434/v1"
    """Base URL of any OpenAI-compatible server (OpenAI, DeepSeek, Ollama, vLLM, the sandbox)."""
    model: str = "heuristic"
    """Model name sent with each request. `heuristic` is the sandbox's rule set, no language model."""
    api_key_env: str = "AGENT_MARKET_LLM_API_KEY"
    """Name of the environment variable that holds the API key; unset means no key is sent."""
    mode: Literal["live", "record", "replay"] = "record"
    """`live` always asks; `record` asks only what the store does not hold; `replay` never asks, and fails."""
    temperature: float = Field(default=0.0, ge=0.0, le=2.0)
    """Sampling temperature. 0 is the most repeatable that an endpoint offers."""
    seed: int = 7
    """Seed sent with each request, for endpoints that honour one."""
    max_tokens: int = Field(default=600, ge=32)
    """Upper limit of tokens in one answer."""
    timeout_s: float = Field(default=30.0, gt=0)
    """Seconds to wait for one answer before the agent abstains."""
    retries: int = Field(default=2, ge=0, le=10)
    """How often a request is tried again after a timeout, a dropped connection, HTTP 429 or 5xx."""
    max_in_flight: int = Field(default=8, ge=1, le=256)
    """Most requests under way at once, over all endpoints."""
    deadline_s: float = Field(default=180.0, gt=0)
    """Seconds that all answers to one decision may take together, retries and fallbacks included."""
    deep: EndpointSettings | None = None
    """The stronger model, for agents of tier `deep` (the judge). Unset: they ask `model` like the others."""
    fallbacks: tuple[EndpointSettings, ...] = ()
    """Asked in this order when an endpoint gives no answer; the store names the model that answered."""
    breaker_failures: int = Field(default=5, ge=1)
    """An endpoint that fails so many times in a row is left alone for a while (circuit breaker)."""
    breaker_open_s: float = Field(default=30.0, gt=0)
    """Seconds until one request may try it again; backtests, which have time, ask it if no other is left."""


FactorGroup = Literal["trend", "reversion", "volatility", "volume", "context", "news", "memory"]
Tier = Literal["fast", "deep"]


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
    masking: Literal["backtests", "always", "never"] = "backtests"
    """Where prompts hide pair, dates, prices and names, so that no model answers from what it read later."""
    masked_names: tuple[str, ...] = ()
    """Further names of coins, firms, people or events that are hidden where prompts are masked."""
    debate: DebateSettings = DebateSettings()
    """The debate."""


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
    """How agents are weighed by their realised rewards (docs/decision.md); the last two are learned nets."""
    weighting_cash: bool = False
    """Whether cash is an expert beside the agents, so that weight can leave the market; always with nets."""
    weighting_mirrors: bool = False
    """Whether the opposite of each agent is an expert too, so that one that is reliably wrong is of use."""
    weighting_per_regime: bool = False
    """Whether weights are learned for each market regime on its own."""
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


class TextSettings(Settings):
    """Recall by text: what a human taught, as lines in prompts, and how texts are found."""

    lessons: int = Field(default=3, ge=0, le=20)
    """Most lessons (taught notes that apply and were known) that a prompt carries; 0 = none."""
    case_lines: bool = True
    """Whether each recalled case is told in one line beside its numbers."""
    embedder: str | None = None
    """Name or folder of a sentence-transformers model for recall by meaning. Unset: by words alone."""
    turn_weight: float = Field(default=1.0, ge=0)
    """Weight of BM25 on the text itself; each channel is standardised before it is weighted."""
    context_weight: float = Field(default=0.7, ge=0)
    """Weight of BM25 on the text with what stands around it."""
    entity_weight: float = Field(default=0.5, ge=0)
    """Weight of shared pairs, assets, indicators and events."""
    dense_weight: float = Field(default=0.7, ge=0)
    """Weight of likeness in meaning; without an embedder it has no effect."""
    k1: float = Field(default=1.5, gt=0)
    """BM25: how soon a repeated word stops adding."""
    b: float = Field(default=0.75, ge=0, le=1)
    """BM25: how much long texts are discounted."""
    merge_overlap: float = Field(default=0.8, gt=0, le=1)
    """Share of words from which two texts that point the same way are one."""
    contradiction_overlap: float = Field(default=0.5, gt=0, le=1)
    """Share of words from which two texts that point in opposite ways contradict each other."""

    @model_validator(mode="after")
    def _some_channel(self) -> TextSettings:
        if not self.turn_weight + self.context_weight + self.entity_weight + self.dense_weight > 0:
            raise ValueError("needs a channel with a weight above 0")
        return self


class ImportanceWeights(Settings):
    """What makes an episode important; see `memory/importance.py`. Only their ratios count."""

    surprise: float = Field(default=1.0, ge=0)
    """Weight of how far the outcome was from what the decision expected."""
    size: float = Field(default=1.0, ge=0)
    """Weight of the size of the outcome among all known ones."""
    rarity: float = Field(default=1.0, ge=0)
    """Weight of how unlike all earlier ones the market state was."""
    usefulness: float = Field(default=1.0, ge=0)
    """Weight of how often the episode was recalled and pointed the right way."""

    @model_validator(mode="after")
    def _some(self) -> ImportanceWeights:
        if self.surprise + self.size + self.rarity + self.usefulness <= 0.0:
            raise ValueError("at least one of the four weights must be above 0")
        return self


class RankWeights(Settings):
    """In which order episodes are recalled; see `memory/ranking.py`."""

    similarity: float = Field(default=1.0, ge=0)
    """Weight of the likeness of the market states."""
    recency: float = Field(default=0.0, ge=0)
    """Weight of how fresh the episode is, by its layer's half-life. 0: it made recall worse on real data."""
    importance: float = Field(default=0.1, ge=0)
    """Weight of its importance."""


class LayerSettings(Settings):
    """Layers of memory: working, short, long, and episodic for crashes and spikes."""

    enabled: bool = True
    """Off: nothing is forgotten, and recall goes by similarity alone."""
    working_days: float = Field(default=7.0, gt=0)
    """So long after its outcome an episode is in the working layer, and safe; also that layer's half-life."""
    short_half_life_days: float = Field(default=90.0, gt=0)
    """Half-life of the importance of an episode in the short layer, and of its recency."""
    long_half_life_days: float = Field(default=365.0, gt=0)
    """Half-life of the recency of an episode in the long layer, which is never forgotten."""
    episodic_half_life_days: float = Field(default=1825.0, gt=0)
    """Half-life of the recency of a crash or spike, which is never forgotten."""
    promote_at: float = Field(default=8.0, gt=1, le=10)
    """From this importance on an episode moves to the long layer."""
    forget_at: float = Field(default=3.0, ge=1, lt=10)
    """At or below this, after decay, one of the short layer is archived: kept, and no longer recalled."""
    shock_deviations: float = Field(default=4.0, gt=0)
    """A high or low of so many expected deviations of the horizon makes an episode a crash or spike."""
    importance: ImportanceWeights = ImportanceWeights()
    """Weights of the parts of importance."""
    rank: RankWeights = RankWeights()
    """Weights of the parts of the rank."""

    @model_validator(mode="after")
    def _apart(self) -> LayerSettings:
        if self.forget_at >= self.promote_at:
            raise ValueError(f"needs forget_at < promote_at, got {self.forget_at}, {self.promote_at}")
        return self


class MemorySettings(Settings):
    """Episodic memory and recall."""

    k: int = Field(default=8, ge=1)
    """How many similar episodes are recalled for a decision by default."""
    k_max: int = Field(default=16, ge=1)
    """How many are handed on as columns, so that hyperopt can choose k after the fact."""
    min_neighbours: int = Field(default=4, ge=1)
    """With fewer known outcomes than this the memory agent abstains."""
    scope: str | None = None
    """Name under which episodes are kept. Unset: one per backtest identifier, and `live` for the bot."""
    features: bool = False
    """Train the quant also on what similar candles of its training window were followed by."""
    feature_neighbours: int = Field(default=32, ge=2)
    """How many similar candles these features rest on."""
    layers: LayerSettings = LayerSettings()
    """Layers, importance, forgetting, and the order of recall."""
    text: TextSettings = TextSettings()
    """Recall by text."""

    @model_validator(mode="after")
    def _ordered(self) -> MemorySettings:
        if not self.min_neighbours <= self.k <= self.k_max:
            raise ValueError(
                f"needs min_neighbours <= k <= k_max, got {self.min_neighbours}, {self.k}, {self.k_max}"
            )
        return self


class ContextSeries(Settings):
    """One dated series beside the candles (fear & greed, VIX, DXY, funding, ...)."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    """Name under which agents see it."""
    path: Path
    """CSV or feather file. Relative paths are taken from the user_data directory."""
    value_column: str
    """Column with the value."""
    time_column: str
    """Column with the date or time the value belongs to."""
    known_after: str = "1d"
    """When the value is known, counted from `time_column`: a daily value at the end of its day ("1d")."""
    max_age: str = "7d"
    """A value older than this at the decision is absent, not carried on."""
    fallbacks: tuple[Path, ...] = ()
    """Files with the same columns, read in this order when `path` (or one before) cannot be read."""


class PerceptionSettings(Settings):
    """What the agents see."""

    context: tuple[ContextSeries, ...] = ()
    """Context series; one that is missing on disk is an error, one without a current value is absent."""
    turbulence_window: int = Field(default=240, ge=30)
    """Candles over which the mean and covariance of cross-pair returns are estimated."""


Share = Annotated[float, Field(gt=0, le=1)]


class EntryLimits(Settings):
    """What one entry, added entry, replaced or forced order may add; shares are of equity."""

    loss_at_stop: Share = 0.05
    """Most that a pair's whole position may lose at its stop."""
    symbol_notional: float = Field(default=0.30, gt=0)
    """Most notional in one pair, what is open included."""
    leverage: float = Field(default=1.5, ge=1)
    """Most leverage; it also caps a forced entry."""
    free_funds: float = Field(default=0.10, ge=0, lt=1)
    """Least that stays free after the entry."""
    correlated: float = Field(default=0.80, gt=0)
    """Most notional in pairs that move together: each open one counts with its correlation to the new one."""
    correlation_candles: int = Field(default=240, ge=20)
    """Newest candles from which correlations, volatility and the VaR of the book are estimated."""


class LiquidityLimits(Settings):
    """How much of what the market offers one order may take; beyond it the order waits or is split."""

    max_spread: float = Field(default=0.003, gt=0)
    """Widest spread, as a fraction of the mid price, at which an order is placed. Live only."""
    depth_share: Share = 0.25
    """Most that an order may take of the book's depth within `depth_band`. Live only."""
    depth_band: float = Field(default=0.005, gt=0, lt=1)
    """Distance from the mid price, as a fraction, within which depth counts."""
    volume_share: Share = 0.10
    """Most that an order may take of the value that a usual (median) recent candle traded."""
    volume_candles: int = Field(default=24, ge=1)
    """Newest candles of which the usual value is taken."""
    retry_minutes: float = Field(default=10.0, ge=0)
    """So long after the first refusal for poor liquidity an entry is tried again; then the pair is locked."""
    split: bool = True
    """Whether what liquidity cut off an order follows as further orders, while the window lasts."""
    split_minutes: float = Field(default=60.0, gt=0)
    """Window for the further parts of a split order, from its first."""


class StrategyShare(Settings):
    """One strategy's part of the risk budget, where several trade one account."""

    strategy: str
    """Class name of the strategy."""
    share: Share
    """Its share of the budget."""


class RiskBudget(Settings):
    """The loss at all stops together, shared between strategies and between pairs."""

    book_loss: Share = 0.15
    """Most that all open positions together may lose at their stops, as a share of equity."""
    pair_share: Share = 0.5
    """Most of what is left of the budget that one entry may take, so that the next pair finds some."""
    gap_loss: float | None = Field(default=None, gt=0, le=1)
    """Most that the whole book may lose, as a share of equity, if prices gap by `gap` past all stops at once.
    Unset: only losses at stops count."""
    gap: Share = 0.30
    """Fall that no stop is filled in, as a fraction of price; for `gap_loss`."""
    strategies: tuple[StrategyShare, ...] = ()
    """Shares by strategy; one that is not named has all of it. Together they may be at most 1."""

    @model_validator(mode="after")
    def _shared(self) -> RiskBudget:
        total = sum(row.share for row in self.strategies)
        if total > 1.0 + 1e-9:
            raise ValueError(f"the shares of `strategies` add up to {total:g}, at most 1 can be given away")
        return self


class VarLimits(Settings):
    """Value at risk of the whole book over one day."""

    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """Confidence of the VaR."""
    decay: float = Field(default=0.94, gt=0, lt=1)
    """Weight that EWMA keeps of the candle before (RiskMetrics: 0.94)."""
    limit: Share = 0.08
    """Most VaR of one day, the larger of historical and EWMA, as a share of equity; beyond it no entry."""


class StopRule(Settings):
    """Where a trade's stop stands."""

    rule: Literal["fixed", "atr"] = "fixed"
    """`fixed`: the strategy's `stoploss`; `atr`: `atr_multiple` ATRs from the price, and it only tightens."""
    atr_candles: int = Field(default=14, ge=2)
    """Candles of the average true range (Wilder)."""
    atr_multiple: float = Field(default=3.0, gt=0)
    """Distance of the stop in ATRs."""
    floor: Share = 0.02
    """Least distance, as a fraction of price: a quiet market must not stop out on noise."""
    ceiling: Share = 0.10
    """Largest distance, as a fraction of price. The strategy's `stoploss` stays the last resort."""

    @model_validator(mode="after")
    def _ordered(self) -> StopRule:
        if self.floor >= self.ceiling:
            raise ValueError(f"needs floor < ceiling, got {self.floor}, {self.ceiling}")
        return self


class PositionLimits(Settings):
    """What is watched while a trade is open."""

    warn_loss: Share = 0.05
    """A trade that loses more than this, as a fraction of its stake, is alerted, once."""
    invalidation: bool = False
    """Whether a trade is left once the price passes the return that its agents said proves them wrong."""


class TighteningSettings(Settings):
    """Limits shrink as volatility rises above its usual level."""

    fast_candles: int = Field(default=24, ge=2)
    """Candles of the present volatility."""
    slow_candles: int = Field(default=240, ge=10)
    """Candles of the usual volatility."""
    floor: Share = 0.25
    """Smallest share of a limit that high volatility leaves; 1 = limits never tighten."""


class ExecutionLimits(Settings):
    """Fills against the plan, and what poor ones change."""

    max_slippage: float = Field(default=0.002, gt=0)
    """Slippage against the planned price, as a fraction, from which a fill is alerted."""
    max_fill_seconds: float = Field(default=120.0, gt=0)
    """Time from order to fill from which it is alerted."""
    fills: int = Field(default=20, ge=1)
    """Newest fills of a pair over which the mean is taken. Beyond the limit, orders in it are halved."""


class PriceSource(Settings):
    """An exchange that is asked for ticks while the bot's own does not answer."""

    exchange: str
    """Name of the exchange, as ccxt writes it; it must list the traded pairs by the same names."""
    ccxt_config: dict[str, Any] = {}
    """As freqtrade's `exchange.ccxt_config`; no keys are needed, only public prices are asked for."""


class BreakerSettings(Settings):
    """The systemic circuit breaker: what freezes all entries, and for how long."""

    vix: float = Field(default=40.0, gt=0)
    """VIX (context series `vix`) above which entries freeze."""
    crashing_move: Share = 0.05
    """Fall over `crashing_candles`, as a fraction, from which a pair counts as crashing."""
    crashing_candles: int = Field(default=12, ge=1)
    """Candles over which that fall is measured."""
    crashing_share: Share = 0.5
    """Share of all pairs crashing at once that freezes entries; it takes two pairs at least."""
    volatility_spike: float = Field(default=4.0, gt=1)
    """Realised volatility as a multiple of the usual one, in the median pair, that freezes entries."""
    flash_crash: Share = 0.10
    """Fall within `flash_seconds` on ticks, or within one candle, of any pair that freezes entries."""
    flash_seconds: float = Field(default=300.0, gt=0)
    """Window of ticks for a flash crash."""
    day_loss: Share = 0.05
    """Loss of equity since 00:00 UTC that freezes entries until the next day."""
    stale_candles: float = Field(default=3.0, gt=1)
    """Age of the newest candle, in candles after its close, at which data are stale."""
    stale_ticks_s: float = Field(default=30.0, gt=0)
    """Seconds without an answer from the exchange's tickers at which data are stale."""
    tick_seconds: float = Field(default=0.2, gt=0)
    """Pause between two looks at the exchange's tickers."""
    tick_patience_s: float = Field(default=3.0, gt=0)
    """Seconds to wait for one answer with tickers before the next source is asked."""
    tick_retry_s: float = Field(default=2.0, gt=0)
    """While another source stands in, those before it are tried again every so many seconds."""
    tick_sources: tuple[PriceSource, ...] = ()
    """Asked for ticks in this order when the bot's own exchange, and those before, do not answer."""
    clock_candles: float = Field(default=0.5, gt=0)
    """A candle that closes so many candles after the bot's clock freezes entries: one clock is wrong."""
    cooldown_minutes: float = Field(default=60.0, ge=0)
    """So long entries stay frozen after a crash, stress or spike was last seen."""
    reduce_to: float | None = Field(default=None, ge=0)
    """Notional of the book, as a share of equity, down to which it is sold when it trips. Unset: no sale."""


class RiskSettings(Settings):
    """Limits in layers, on depth and on orders; each clamp is recorded with limit and value."""

    max_depth: float = Field(default=10.0, gt=0, le=10)
    """Hard ceiling on absolute depth."""
    turbulence_limit: float = Field(default=0.99, gt=0, le=1)
    """Percentile of turbulence above which long depth is halved."""
    drawdown_limit: float = Field(default=0.25, gt=0, le=1)
    """Drawdown of the pair from its recent high beyond which long depth is halved."""
    entry: EntryLimits = EntryLimits()
    """Before a trade: sizes."""
    liquidity: LiquidityLimits = LiquidityLimits()
    """Before a trade: liquidity."""
    budget: RiskBudget = RiskBudget()
    """Before a trade: the shared risk budget."""
    value_at_risk: VarLimits = VarLimits()
    """In a trade: VaR of the book."""
    stop: StopRule = StopRule()
    """In a trade: stops."""
    position: PositionLimits = PositionLimits()
    """In a trade: warnings and invalidation."""
    execution: ExecutionLimits = ExecutionLimits()
    """After a trade: fills."""
    tightening: TighteningSettings = TighteningSettings()
    """How limits follow volatility."""
    breaker: BreakerSettings = BreakerSettings()
    """Systemic circuit breaker."""


AlertLevel = Literal["info", "warning", "critical", "off"]


class AlertSettings(Settings):
    """Which alerts leave the bot by themselves; `off` = none."""

    telegram: AlertLevel = "warning"
    """Least level that goes to Telegram. `telegram.notification_settings` of freqtrade holds as well."""
    webhook: AlertLevel = "warning"
    """Least level that goes to freqtrade's webhook (`webhookstatus`) and API."""


class TelegramSettings(Settings):
    """Our commands in freqtrade's Telegram; who may use them is freqtrade's `telegram.chat_id` and users."""

    commands: bool = True
    """Join Telegram, where freqtrade's is enabled."""
    keyboard: tuple[str, ...] = ("/agents", "/why", "/risk", "/plan")
    """Keys added below freqtrade's keyboard; empty = none."""
    base_url: str | None = Field(default=None, pattern=r"^https?://\S+/bot$")
    """Bot API server instead of Telegram's, as `http://127.0.0.1:8081/bot`; it is told the bot's token."""


class BotSettings(Settings):
    """The running bot (`freqtrade trade`)."""

    folder: str = "{user_data}/agent_market"
    """Folder of the kill switch, breaker state and risk journal; one a bot. `{user_data}` is filled in."""
    confirm_minutes: float = Field(default=10.0, gt=0)
    """Mode `confirm`: an entry that nobody confirmed within this time is refused."""
    manual_after_s: float = Field(default=30.0, gt=0)
    """Seconds without an answer from the exchange after which the stops of open trades are listed in
    `manual_orders.csv`, to be placed by hand."""
    alerts_kept: int = Field(default=500, ge=1)
    """Newest alerts kept in memory."""
    alerts: AlertSettings = AlertSettings()
    """Alerts over Telegram and webhook."""
    telegram: TelegramSettings = TelegramSettings()
    """Commands over Telegram."""


class CostSettings(Settings):
    """What trading costs, for rewards and outcomes (freqtrade charges its own in the backtest)."""

    fee: float = Field(default=0.001, ge=0, lt=0.1)
    """Fee of one side as a fraction of notional (0.001 = 10 basis points)."""
    slippage: float = Field(default=0.0002, ge=0, lt=0.1)
    """Expected slippage of one side as a fraction of notional."""

    @property
    def round_trip(self) -> float:
        """Cost of entering and leaving a full position, as a fraction of notional."""
        return 2 * (self.fee + self.slippage)


class ModelPrice(Settings):
    """What one model costs and knows."""

    model: str
    """Model name, as sent with each request."""
    input_per_million: float = Field(ge=0, allow_inf_nan=False)
    """Price of a million prompt tokens, in `budget.currency`."""
    output_per_million: float = Field(ge=0, allow_inf_nan=False)
    """Price of a million answered tokens (reasoning counts), in `budget.currency`."""
    knowledge_cutoff: date | None = None
    """Last day that the model may have read about. Unset: unknown, and reports say so."""


class Caps(Settings):
    """The most that may be spent. There is no way to say "unlimited"; 0 means that no model is asked."""

    calls: int = Field(ge=0)
    """Requests that were billed or may have been."""
    tokens: int = Field(ge=0)
    """Prompt and answered tokens together."""
    cost: float = Field(ge=0, allow_inf_nan=False)
    """Money, in `budget.currency`."""


class BudgetSettings(Settings):
    """What asking models may cost. What a call may cost at most is reserved before it is made.

    Money is spent on the wall clock, also in a backtest: a day is a day of the wall clock (UTC), a run one
    start of a backtest or of the bot. Answers out of the store cost nothing.
    """

    prices: tuple[ModelPrice, ...] = ()
    """Prices by model. A model without one is free on this machine, and an error anywhere else."""
    currency: str = "USD"
    """Currency of the prices."""
    stake_per_unit: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """Units of stake currency that one unit of `currency` costs; reports take model costs off the profit."""
    decision: Caps = Caps(calls=40, tokens=400_000, cost=1.0)
    """Caps of one decision of one pair."""
    day: Caps = Caps(calls=50_000, tokens=100_000_000, cost=20.0)
    """Caps of one UTC day of the wall clock, over all runs on the same store."""
    run: Caps = Caps(calls=100_000, tokens=200_000_000, cost=50.0)
    """Caps of one start of a backtest or of the bot."""
    compact_below: float = Field(default=0.2, ge=0, le=1)
    """With less than this share of a day's or run's cap left, debates are compact."""

    @model_validator(mode="after")
    def _one_price_a_model(self) -> BudgetSettings:
        names = [price.model for price in self.prices]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two prices for {', '.join(twice)}; keep one")
        return self


class LiveSettings(Settings):
    """Asking models in dry-run and live, where the candle loop does not wait for them."""

    wait_s: float = Field(default=0.0, ge=0, le=60)
    """Seconds a decision may wait for answers to its own question; 0 = it takes the newest views known."""
    workers: int = Field(default=2, ge=1, le=32)
    """Questions (one a pair) that are put to models at the same time."""
    queue: int = Field(default=64, ge=1)
    """Questions that may wait; a newer one replaces the same pair's older, beyond that the oldest goes."""


class CalibrationSettings(Settings):
    """Whether stated confidence comes true, and what may depend on it."""

    method: Literal["platt", "isotonic", "none"] = "platt"
    """How raw confidence is mapped to a hit rate, on known outcomes only. `none` takes it as stated."""
    window: int = Field(default=250, ge=20)
    """Newest known outcomes on which the calibration error is measured, a pair."""
    least_fitted: int = Field(default=100, ge=20)
    """Fewest older outcomes that a mapping is fitted on; with fewer, confidence is not used."""
    refit_every: int = Field(default=25, ge=1)
    """The mapping is fitted anew after so many more known outcomes."""
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


class FactorSettings(Settings):
    """Mined factors as features of the FreqAI model (`user_data/llm_feedback/freqai_features.json`)."""

    enabled: bool = True
    """Load the file's factors as features `%-factor_<hash>`, where there are any."""
    hindsight: bool = False
    """Use factors in a backtest that starts before they were known. The report then says so."""


Proposer = Literal["library", "genetic", "llm"]


class MiningSettings(Settings):
    """The search for factors (`agent-market factors mine`)."""

    candidates: int = Field(default=300, ge=1, le=100_000)
    """Proposals to try in one run, those that cannot be read included."""
    batch: int = Field(default=12, ge=1, le=32)
    """Proposals asked of one proposer at a time."""
    proposers: tuple[Proposer, ...] = Field(default=("library", "genetic", "llm"), min_length=1)
    """Who proposes; a bandit divides the candidates between them by what each has brought."""
    pool: int = Field(default=10, ge=1, le=50)
    """Most factors that are kept; beyond it the one with the smallest joint weight goes."""
    horizon: int = Field(default=24, ge=1, le=2_000)
    """Candles ahead over which a factor must predict."""
    screen_every: int = Field(default=2, ge=1, le=100)
    """Screening looks at every so many-th of the times that the pool is judged on."""
    least_t: float = Field(default=1.5, ge=0.0)
    """Smallest |t| of the rank IC in screening with which a factor is put beside the pool."""
    least_novelty: float = Field(default=0.25, ge=0.0, lt=1.0)
    """Smallest distance to the nearest tree of the pool (1 less the largest common subtree)."""
    most_correlation: float = Field(default=0.7, gt=0.0, le=1.0)
    """Largest |rank correlation| with a factor of the pool."""
    least_gain: float = Field(default=0.0005, ge=0.0)
    """What a factor must add to the pool's joint IC on the search span to be taken in."""
    longest_lookback: int = Field(default=600, ge=2, le=5_000)
    """Candles that a factor may reach back: the bot must load as many before its first decision."""
    promote_share: float = Field(default=0.25, gt=0.0, lt=1.0)
    """Share of the candles, the newest, on which the pool must prove itself, where no span is named."""
    level: float = Field(default=0.05, gt=0.0, lt=1.0)
    """Largest p-value, after deflation by all trials, with which a pool is promoted."""
    unproven: bool = False
    """Write a pool that was not promoted to the features file too, marked as unproven."""
    max_tokens: int = Field(default=3_000, ge=64)
    """Upper limit of tokens in one answer of the model."""
    seed: int = 7
    """Seed of the whole search: the same data, settings and answers give the same pool."""


class JobSettings(Settings):
    """Work beside trading: light jobs in the bot, heavy ones in `agent-market worker`. 0 switches one off."""

    in_bot: bool = True
    """Run the light jobs on a thread of the bot."""
    outcomes_minutes: float = Field(default=5.0, ge=0)
    """Light: outcomes that candles show by now, also of pairs that are seldom decided on."""
    costs_minutes: float = Field(default=5.0, ge=0)
    """Light: what models cost today, alerted once a day from `costs_alert` of a cap on."""
    costs_alert: float = Field(default=0.8, gt=0, le=1)
    """Share of a day's cap on calls, tokens or money from which it is alerted."""
    memory_hours: float = Field(default=24.0, ge=0)
    """Heavy: layers and importance up to now (a month's re-assessment included), and the index files."""
    texts_hours: float = Field(default=6.0, ge=0)
    """Heavy: vectors of texts that have none yet; only where `memory.text.embedder` is set."""
    graph_days: float = Field(default=7.0, ge=0)
    """Heavy: a look for edges of the knowledge graph; it looks once a week at most."""
    review_hours: float = Field(default=6.0, ge=0)
    """Heavy: the review of each day that has ended, as a text beside the kill switch."""
    backup_hours: float = Field(default=24.0, ge=0)
    """Heavy: a copy of the store in `user_data/backups`; older ones go as `agent-market backup` has it."""
    retry_minutes: float = Field(default=15.0, gt=0)
    """A job that failed or was killed is tried again after so long, or after its interval if that is less."""


class StoreSettings(Settings):
    """Where answers, decisions and memories are kept."""

    url: str = "sqlite:///{user_data}/agent_market.sqlite"
    """SQLAlchemy URL; `{user_data}` is the user_data directory. SQLite runs in WAL mode."""


class AgentMarketSettings(Settings):
    """The section `agent_market` of a freqtrade config."""

    llm: LLMSettings = LLMSettings()
    """The language model endpoint."""
    agents: AgentSettings = AgentSettings()
    """The committee of agents."""
    decision: DecisionSettings = DecisionSettings()
    """Decision points and fusion."""
    memory: MemorySettings = MemorySettings()
    """Episodic memory."""
    perception: PerceptionSettings = PerceptionSettings()
    """Features and context."""
    risk: RiskSettings = RiskSettings()
    """Risk limits on depth and orders."""
    bot: BotSettings = BotSettings()
    """The running bot."""
    costs: CostSettings = CostSettings()
    """Trading costs."""
    budget: BudgetSettings = BudgetSettings()
    """What models may cost."""
    live: LiveSettings = LiveSettings()
    """Asking models in dry-run and live."""
    calibration: CalibrationSettings = CalibrationSettings()
    """Calibration of confidence."""
    tuning: TuningSettings = TuningSettings()
    """Prompts that learn."""
    factors: FactorSettings = FactorSettings()
    """Mined factors as features."""
    mining: MiningSettings = MiningSettings()
    """The search for factors."""
    jobs: JobSettings = JobSettings()
    """Work beside trading."""
    store: StoreSettings = StoreSettings()
    """Database."""


def load_settings(config: Mapping[str, Any]) -> AgentMarketSettings:
    """Read and check the section `agent_market` of a freqtrade config.

    :param config: the merged freqtrade config (or any mapping with the section); a missing section
        means all defaults.
    :raises ConfigError: naming each bad key, its value, and the nearest key that exists.
    """
    return parse_settings(AgentMarketSettings, config.get(SECTION, {}), SECTION)


def parse_settings(kind: type[T], raw: object, where: str) -> T:
    """Validate `raw` as `kind`; a `ConfigError` lists every bad key as `where.key`."""
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        lines = [_explain(kind, where, dict(problem)) for problem in error.errors()]
        raise ConfigError("; ".join(lines)) from error


def _explain(kind: type[Settings], where: str, problem: dict[str, Any]) -> str:
    path = [str(part) for part in problem["loc"]]
    key = ".".join([where, *path])
    if problem["type"] == "extra_forbidden":
        known = _known_keys(kind, path[:-1])
        close = [f"`{name}`" for name in difflib.get_close_matches(path[-1], known, n=2)]
        hint = f"did you mean {' or '.join(close)}?" if close else f"known keys: {', '.join(sorted(known))}"
        return f"unknown setting `{key}` = {problem['input']!r}; {hint}"
    return f"bad setting `{key}` = {problem['input']!r}: {problem['msg']}"


def _known_keys(kind: type[BaseModel], path: list[str]) -> list[str]:
    for part in path:
        if part.isdigit():
            continue
        annotation = kind.model_fields[part].annotation
        candidates = (annotation, *get_args(annotation))
        kind = next(c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel))
    return list(kind.model_fields)
