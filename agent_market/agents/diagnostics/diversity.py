"""How different the agents of a committee are: in what they say, in how they err, and in what it changes.

A committee of equals is one agent with a larger bill. Three measures:

* **dispersion** (agent expectation dispersion, AED) of one decision: sqrt(sum_i w_i (d_i - d_bar)^2) / 10
  over the agents that did not abstain, w their weights scaled to 1, d_bar the weighted mean depth. From 0
  (all say the same) to 1 (half the weight at 10, half at -10).
* **turners** of one decision: agents without whom the fused depth would have another sign.
* **correlation** of two agents' depths, or of their errors, over many decisions. The error of a view is
  depth / 10 less the outcome in units of what was expected, clipped to [-1, 1]: 0 for a perfect forecast.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from agent_market.config import DecisionSettings
from agent_market.outcomes import expected_std
from agent_market.records import DEPTH_LIMIT, AgentView, Episode
from agent_market.utils.arrays import Floats

FEWEST = 8
"""With fewer decisions on which both spoke, a correlation is not known."""

FLAT = 1e-9
"""A column whose squared deviations sum to less than this does not vary."""


def dispersion(depths: Sequence[float], weights: Sequence[float] | None = None) -> float:
    """AED of the depths of agents that did not abstain, in [0, 1]; 0 with fewer than two.

    :param weights: of the same agents, any scale, none negative; None or all 0 counts all alike.
    """
    if len(depths) < 2:
        return 0.0
    total = 0.0 if weights is None else sum(weights)
    shares = [w / total for w in weights] if weights is not None and total > 0 else None
    shares = shares or [1.0 / len(depths)] * len(depths)
    mean = sum(w * d for w, d in zip(shares, depths, strict=True))
    variance = sum(w * (d - mean) ** 2 for w, d in zip(shares, depths, strict=True))
    return min(math.sqrt(variance) / DEPTH_LIMIT, 1.0)


def dispersion_of(views: Sequence[AgentView], weights: Mapping[str, float] | None = None) -> float:
    """AED of the views that are not abstentions; without `weights` all count alike."""
    spoken = [view for view in views if not view.abstains]
    given = None if weights is None else [weights.get(view.agent, 0.0) for view in spoken]
    return dispersion([view.depth for view in spoken], given)


def turners(contributions: Mapping[str, float]) -> frozenset[str]:
    """Agents without whose contribution (weight x depth) the fused depth would have the other sign.

    Without an agent the others' weights grow in proportion, which changes no sign. From or to exactly 0 is
    no turn.
    """
    total = math.fsum(contributions.values())
    return frozenset(
        agent
        for agent, part in contributions.items()
        if (total > 0 > total - part) or (total < 0 < total - part)
    )


def depth_table(episodes: Sequence[Episode], agents: Sequence[str]) -> Floats:
    """(T, N) depths; NaN where an agent abstained."""
    return _table(episodes, agents, lambda _episode, view: view.depth)


def error_table(episodes: Sequence[Episode], agents: Sequence[str], settings: DecisionSettings) -> Floats:
    """(T, N) errors in [-2, 2]; NaN where an agent abstained, or the outcome or its scale is not known."""

    def error(episode: Episode, view: AgentView) -> float:
        realised = scaled_outcome(episode, settings)
        return math.nan if realised is None else view.depth / DEPTH_LIMIT - realised

    return _table(episodes, agents, error)


def scaled_outcome(episode: Episode, settings: DecisionSettings) -> float | None:
    """The market's return in `reward_scale` expected deviations, clipped to [-1, 1]; None = unknown."""
    deviation = expected_std(episode.view, settings.horizon_candles)
    if episode.outcome is None or not deviation:
        return None
    scaled = episode.outcome.market_return / (settings.reward_scale * deviation)
    return max(-1.0, min(1.0, scaled))


def correlations(table: Floats) -> Floats:
    """(N, N) Pearson correlations of the columns of a (T, N) table, over the rows on which both are known.

    NaN where fewer than `FEWEST` are, or one of the two never changes.
    """
    known = (~np.isnan(table)).astype(float)
    x = np.where(known > 0, table, 0.0)
    n = known.T @ known
    sums, squares = x.T @ known, (x * x).T @ known
    with np.errstate(divide="ignore", invalid="ignore"):
        covariance = x.T @ x - sums * sums.T / n
        variance = squares - sums * sums / n
        result = covariance / np.sqrt(variance * variance.T)
    varies = (variance > FLAT) & (variance.T > FLAT)
    return np.where((n >= FEWEST) & varies, np.clip(result, -1.0, 1.0), np.nan)


def mean_correlation(table: Floats) -> float | None:
    """Mean of the known correlations of different columns of a (T, N) table; None where none is known."""
    pairs = correlations(table)[_above(table.shape[1])]
    known = pairs[~np.isnan(pairs)]
    # Rounded: the last bits depend on how a matrix lies in memory.
    return round(float(known.mean()), 9) if len(known) else None


@cache
def _above(size: int) -> tuple[npt.NDArray[np.intp], ...]:
    """Places of the pairs of different columns, each once."""
    return np.triu_indices(size, 1)


@dataclass(frozen=True, slots=True)
class DiversityReport:
    """The committee over a run. Correlations are (N, N) in the order of `agents`, NaN where not known."""

    agents: tuple[str, ...]
    decisions: int
    mean_dispersion: float
    depth_correlations: Floats
    error_correlations: Floats
    turn_shares: Mapping[str, float]


def diversity(
    episodes: Sequence[Episode], agents: Sequence[str], settings: DecisionSettings
) -> DiversityReport:
    """All measures over a run; shares and means are 0 without decisions."""
    turned = [turners(e.decision.contributions) for e in episodes]
    spread = [dispersion_of(e.views, e.decision.weights) for e in episodes]
    count = len(episodes)
    return DiversityReport(
        agents=tuple(agents),
        decisions=count,
        mean_dispersion=math.fsum(spread) / count if count else 0.0,
        depth_correlations=correlations(depth_table(episodes, agents)),
        error_correlations=correlations(error_table(episodes, agents, settings)),
        turn_shares={a: sum(a in t for t in turned) / count if count else 0.0 for a in agents},
    )


def _table(
    episodes: Sequence[Episode], agents: Sequence[str], value: Callable[[Episode, AgentView], float]
) -> Floats:
    table = np.full((len(episodes), len(agents)), np.nan)
    place = {agent: i for i, agent in enumerate(agents)}
    for row, episode in enumerate(episodes):
        for view in episode.views:
            if not view.abstains and view.agent in place:
                table[row, place[view.agent]] = value(episode, view)
    return table
