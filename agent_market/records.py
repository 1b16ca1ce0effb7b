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
from typing import Literal

DEPTH_LIMIT = 10.0

Action = Literal["buy", "sell", "hold"]


@dataclass(frozen=True, slots=True)
class MarketView:
    """What is known about one pair at `asof`; nothing later.

    `features` are dimensionless numbers from candles (see `perception.features`), `context` the newest
    value of each dated series with `known_at <= asof`, `state` the bounded vector that memory
    compares (see `perception.state`), `regime` a coarse label such as "up-calm".
    """

    pair: str
    timeframe: str
    asof: datetime
    features: Mapping[str, float]
    context: Mapping[str, float]
    regime: str
    state: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Neighbour:
    """One recalled episode: its decision time, when its outcome was known, distance, and outcome."""

    episode_id: str
    asof: datetime
    known_at: datetime
    distance: float
    market_return: float


@dataclass(frozen=True, slots=True)
class Recall:
    """The most similar past episodes, nearest first; each outcome was known by `asof`."""

    asof: datetime
    neighbours: tuple[Neighbour, ...] = ()


@dataclass(frozen=True, slots=True)
class AgentView:
    """One agent's opinion, or an abstention with its cause.

    An abstention has `abstained_because` set, depth 0 and confidence 0, and must get weight 0; it is
    never a hold. `answer_key` is the content address of the model answer it came from, if any.
    """

    agent: str
    depth: float
    confidence: float
    belief: str = ""
    reasons: tuple[str, ...] = ()
    abstained_because: str | None = None
    answer_key: str | None = None

    @classmethod
    def abstain(cls, agent: str, cause: str) -> AgentView:
        """An abstention: no opinion, and the reason why there is none."""
        return cls(agent=agent, depth=0.0, confidence=0.0, abstained_because=cause)

    @property
    def abstains(self) -> bool:
        return self.abstained_because is not None


@dataclass(frozen=True, slots=True)
class Decision:
    """The fused opinion before risk.

    `weights` sum to 1 over the agents that did not abstain (all 0 if every one did);
    `contributions[a] = weights[a] * depth[a]`, and they sum to `depth`.
    """

    id: str
    pair: str
    asof: datetime
    depth: float
    action: Action
    confidence: float
    weights: Mapping[str, float]
    contributions: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Clamp:
    """One risk limit that bound: its name, its threshold, the value seen, depth before and after."""

    limit: str
    threshold: float
    value: float
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Verdict:
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

    def reward(self, depth: float) -> float:
        """Money made per unit of stake by holding `depth` over the horizon, after costs."""
        size = depth / DEPTH_LIMIT
        return self.market_return * size - self.cost * abs(size)


@dataclass(frozen=True, slots=True)
class Episode:
    """One decision with all that led to it; `outcome` is None until it is known."""

    scope: str
    view: MarketView
    recall: Recall
    views: tuple[AgentView, ...]
    decision: Decision
    verdict: Verdict
    due: datetime
    outcome: Outcome | None = field(default=None)

    @property
    def id(self) -> str:
        return self.decision.id
