"""The small frozen records that the stages of one decision pass to each other.

    MarketView -> Recall -> AgentView* -> Decision -> Verdict -> Episode (+ Outcome when known)

Conventions, valid for every field below:
* times are timezone-aware UTC `datetime`; `asof` is the *close* of the candle decided on;
* `depth` is a signed conviction in [-10, 10]: sign = side, size = conviction, 0 = flat;
* returns, costs and excursions are fractions (0.01 = one per cent), never per cent;
* mappings hold finite floats only. What is not known is absent, never zero and never NaN.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

from agent_market.costs import net_return

DEPTH_LIMIT = 10.0

Action = Literal["buy", "sell", "hold"]


@dataclass(frozen=True, slots=True)
class Headline:
    """One line of news, and when it was known."""

    known_at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class MarketView:
    """What is known about one pair at `asof`; nothing later.

    `features` are dimensionless numbers from candles (see `features.features`), `context` the newest
    value of each dated series with `known_at <= asof`, `state` the bounded vector that memory
    compares (see `features.state`), `regime` a coarse label such as "up-calm".  `close` is the price at
    `asof`, for arithmetic between decisions: agents see it only where nothing is masked.  `headlines` are
    news with `known_at <= asof`, newest first.
    """

    pair: str
    timeframe: str
    asof: datetime
    features: Mapping[str, float]
    context: Mapping[str, float]
    regime: str
    state: tuple[float, ...]
    close: float | None = None
    headlines: tuple[Headline, ...] = ()


@dataclass(frozen=True, slots=True)
class Neighbour:
    """One recalled episode: its decision time, when its outcome was known, distance, and outcome.

    `line` tells the case in words, for prompts; the store does not keep it, for the episode says it all.
    """

    episode_id: str
    asof: datetime
    known_at: datetime
    distance: float
    market_return: float
    line: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Lesson:
    """A taught note that applied to a decision and was known by then.

    `contested` says that another note contradicts it. `text` is for prompts; the store keeps the id alone,
    so that a note that a human forgets is gone.
    """

    id: str
    known_at: datetime
    contested: bool = False
    text: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Recall:
    """Past episodes that come to mind, best rank first, and the lessons that apply; all known by `asof`."""

    asof: datetime
    neighbours: tuple[Neighbour, ...] = ()
    lessons: tuple[Lesson, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """What cases with a known outcome say for one side, computed by code.

    `cases` is the sample size, `win_rate` the share that went that side's way with its 95% interval `low`
    to `high`, `payoff` the mean win over the mean loss (None without a win or without a loss).
    """

    cases: int
    win_rate: float
    low: float
    high: float
    payoff: float | None = None


@dataclass(frozen=True, slots=True)
class AgentView:
    """One agent's opinion, or an abstention with its cause.

    An abstention has `abstained_reason` set, depth 0 and confidence 0, and must get weight 0; it is
    never a hold. `answer_key` is the content address of the model answer it came from, if any.
    `horizon` is the number of candles within which the agent expects to be proved right, `invalidation`
    the return from this close that would prove it wrong; None = not said. `evidence` is what a trained
    model showed on data it had not seen; None for opinions. `prompt` is the version of the agent's prompt
    (`agents.tuning.versions`); None for agents that read none. `asof` is when the view was formed, where
    that was before this decision (None = at it), and `carried_reason` says why an older view stands in.
    """

    agent: str
    depth: float
    confidence: float
    belief: str = ""
    reasons: tuple[str, ...] = ()
    abstained_reason: str | None = None
    answer_key: str | None = None
    horizon: int | None = None
    invalidation: float | None = None
    evidence: Evidence | None = None
    prompt: str | None = None
    asof: datetime | None = None
    carried_reason: str | None = None

    @classmethod
    def abstain(cls, agent: str, cause: str) -> AgentView:
        """An abstention: no opinion, and the reason why there is none."""
        return cls(agent=agent, depth=0.0, confidence=0.0, abstained_reason=cause)

    @property
    def abstains(self) -> bool:
        return self.abstained_reason is not None


Step = Literal["proposal", "objections", "evidence", "rebuttal", "ruling"]
Ruling = Literal["execute", "adjust", "abandon"]


@dataclass(frozen=True, slots=True)
class DebateTurn:
    """One turn of a debate. `round` counts rebuttals from 1 and is 0 elsewhere.

    `depth` and `confidence` are where the agent then stands (None for evidence, which takes no side),
    `numbers` what was computed by code or given as a number, by name. A turn that failed has no lines and
    says why in `silent_reason`.
    """

    agent: str
    step: Step
    round: int = 0
    lines: tuple[str, ...] = ()
    depth: float | None = None
    confidence: float | None = None
    numbers: Mapping[str, float] = field(default_factory=dict)
    silent_reason: str | None = None
    answer_key: str | None = None


@dataclass(frozen=True, slots=True)
class Debate:
    """A full debate: why it was held, what was said in order, why it ended, and the judge's ruling.

    `ruling` is None where the judge gave none; `ruling_confidence` is 0 to 100, as it was asked for.
    """

    held_reason: str
    turns: tuple[DebateTurn, ...]
    ended_reason: str
    ruling: Ruling | None = None
    ruling_confidence: int | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What the answers behind one decision cost when they were given; answers of the store count the same.

    `cost` is in the currency of the price table; None where a model has no price.
    """

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = 0.0


@dataclass(frozen=True, slots=True)
class Decision:
    """The fused opinion before risk.

    `weights` sum to 1 over the agents that did not abstain (all 0 if every one did);
    `contributions[a] = weights[a] * depth[a]`, and with `shift` they sum to `depth`.  `shift` is what a
    decision net moved the fused depth by, and `nets` names the learned nets that were in force
    ("weight_net", "decision_net"); without any, an online weighting decided.
    """

    id: str
    pair: str
    asof: datetime
    depth: float
    action: Action
    confidence: float
    weights: Mapping[str, float]
    contributions: Mapping[str, float]
    shift: float = 0.0
    nets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Clamp:
    """One risk limit that bound: its name, its threshold, the value seen, and what it changed.

    `before` and `after` are depths where a decision is clamped, notionals (stake currency) where an order is.
    """

    limit: str
    threshold: float
    value: float
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class RiskResult:
    """The decision after risk: the depth that may be traded, and every clamp that made it so."""

    depth: float
    action: Action
    clamps: tuple[Clamp, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the market did after a decision, seen from the next candle's open.

    `market_return` = close of the last candle of the horizon / open of the first - 1 (long, gross);
    `best` and `worst` are the highest high and lowest low on the way, relative to that open;
    `cost` is the round-trip cost of a position of full depth.  `known_at` is the close of the first
    candle that closes at or after the horizon's end: without a gap the last of the horizon, and with one
    the first moment at which it is certain that no candle of it is still to come.
    """

    market_return: float
    best: float
    worst: float
    cost: float
    known_at: datetime

    def reward(self, depth: float, held: float = 0.0) -> float:
        """Money made per unit of stake by holding `depth` over the horizon, after the cost of getting there.

        :param held: the depth held until then; only the change from it is traded, and costs one side.
        """
        made: float = net_return(depth / DEPTH_LIMIT, held / DEPTH_LIMIT, self.market_return, self.cost / 2.0)
        return made


@dataclass(frozen=True, slots=True)
class Episode:
    """One decision with all that led to it; `outcome` is None until it is known.

    `debate` is None where the committee spoke in one round, and in episodes read back from the store, which
    hands a debate out only when it is asked for one (`store.episodes.read_debate`).
    """

    scope: str
    view: MarketView
    recall: Recall
    views: tuple[AgentView, ...]
    decision: Decision
    verdict: RiskResult
    due: datetime
    outcome: Outcome | None = field(default=None)
    debate: Debate | None = field(default=None)
    usage: Usage = Usage()

    @property
    def id(self) -> str:
        return self.decision.id


class Layer(StrEnum):
    """Where an episode is kept."""

    WORKING = "working"
    SHORT = "short"
    LONG = "long"
    EPISODIC = "episodic"
    ARCHIVE = "archive"


@dataclass(frozen=True, slots=True)
class Move:
    """One move of one episode, with why; times are seconds since the epoch."""

    asof: int
    at: int
    layer: Layer
    importance: float
    reason: str


def decision_of(tag: str | None) -> str:
    """The id of the decision that an entry tag names; empty where it names none."""
    words = (tag or "").split(" ")
    return words[-1] if "@" in words[-1] else ""


def decision_id(pair: str, asof: datetime) -> str:
    """The name of a decision, as entry tags, logs and commands show it: `BTC/USDT@2024-01-05T12:00Z`."""
    return f"{pair}@{asof:%Y-%m-%dT%H:%MZ}"
