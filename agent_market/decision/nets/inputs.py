"""The inputs of one decision, and the arrays that the nets read; shared by training and inference."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from agent_market.config import DecisionSettings
from agent_market.decision.action import action_vec
from agent_market.outcomes import expected_std
from agent_market.records import DEPTH_LIMIT, AgentView, MarketView, Recall

Floats32 = npt.NDArray[np.float32]

RECALL_NUMBERS = 3
"""Numbers of recall that follow those of the market state."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The inputs of one decision: all views, prior weights, the market view and the recalled episodes."""

    views: tuple[AgentView, ...]
    prior: Mapping[str, float]
    view: MarketView
    recall: Recall


@dataclass(frozen=True, slots=True)
class SeenArrays:
    """T decisions as the nets read them: fields of `trainers.base.DecisionDataset` without the pair axis."""

    vectors: Floats32
    awake: npt.NDArray[np.bool_]
    depth: Floats32
    prior: Floats32
    state: Floats32


def arrays_of(seen: Sequence[Seen], experts: Sequence[str], settings: DecisionSettings) -> SeenArrays:
    """Build (T, N, 4), (T, N), (T, N), (T, N) and (T, S) arrays, N the experts in the given order.

    An expert without a view, or with an abstention, is asleep: vector 0, depth 0, prior 0.
    """
    shape = (len(seen), len(experts))
    vectors = np.zeros((*shape, 4), dtype=np.float32)
    awake = np.zeros(shape, dtype=np.bool_)
    depth, prior = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=np.float32)
    place = {name: n for n, name in enumerate(experts)}
    for t, moment in enumerate(seen):
        for view in moment.views:
            n = place.get(view.agent)
            if n is None or view.abstains:
                continue
            awake[t, n] = True
            vectors[t, n] = action_vec(view.depth, view.confidence, settings.hold_threshold)
            depth[t, n] = view.depth / DEPTH_LIMIT
            prior[t, n] = moment.prior.get(view.agent, 0.0)
    rows = [state_of(moment, settings) for moment in seen]
    state = np.array(rows, dtype=np.float32).reshape(len(seen), len(rows[0]) if rows else 0)
    return SeenArrays(vectors, awake, depth, prior, state)


def state_of(seen: Seen, settings: DecisionSettings) -> tuple[float, ...]:
    """Return the market state and three recall numbers, each bounded; empty if `nets.state` is off.

    Recall: mean and deviation of the neighbours' returns in expected deviations, each through tanh, and the
    share of cases found, n / (n + 8); 0 without neighbours.
    """
    if not settings.nets.state:
        return ()
    returns = [neighbour.market_return for neighbour in seen.recall.neighbours]
    scale = expected_std(seen.view, settings.horizon_candles) or 0.0
    if not returns or scale <= 0.0:
        return (*seen.view.state, 0.0, 0.0, 0.0)
    mean = math.fsum(returns) / len(returns)
    spread = math.sqrt(math.fsum((r - mean) ** 2 for r in returns) / len(returns))
    told = (math.tanh(mean / scale), math.tanh(spread / scale), len(returns) / (len(returns) + 8.0))
    return (*seen.view.state, *told)


def state_size(view: MarketView, settings: DecisionSettings) -> int:
    """Length of `state_of` for views such as this one."""
    return len(view.state) + RECALL_NUMBERS if settings.nets.state else 0
