"""Replay a weighting over a panel, learning each outcome in the order in which it became known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from agent_market.decision.experts.base import Weighting
from agent_market.decision.experts.choose import ByRegime
from agent_market.decision.fusion import fuse
from agent_market.decision.panel import DecisionPanel, expert_rewards
from agent_market.utils.arrays import Floats


@dataclass(frozen=True, slots=True)
class Walk:
    """How a weighting learns.

    `pooled`: one for all pairs, learning from the outcomes of each; else one per pair.  `per_regime`: one
    for each market regime.  `cost`: of one unit of turnover, in the experts' rewards; `scale`: see
    `expert_rewards`.
    """

    pooled: bool = True
    per_regime: bool = False
    cost: float = 0.0
    scale: float = 3.0


def replay(panel: DecisionPanel, make: Callable[[tuple[str, ...]], Weighting], how: Walk) -> Floats:
    """Compute the weights at each decision, (T, P, N): each row sums to 1, or is 0 where no expert is awake.

    Before each moment every outcome known by then is learned, late ones too, in the order of (known_at,
    moment, pair), so cutting off the future changes no row.

    :param make: create an untrained weighting for the given experts.
    :raises ValueError: an outcome is known before its decision was made.
    """
    rewards = expert_rewards(panel, how.cost, how.scale)
    weights = np.zeros(panel.depth.shape)
    books = [ByRegime(lambda: make(panel.experts), how.per_regime) for _ in panel.pairs]
    if how.pooled:
        books = [books[0]] * len(panel.pairs)
    known = np.argwhere(np.isfinite(panel.outcome))
    order = np.lexsort((known[:, 1], known[:, 0], panel.known_at[known[:, 0], known[:, 1]]))
    waiting = known[order].tolist()
    at = 0
    names = panel.experts
    for t, now in enumerate(panel.times.tolist()):
        while at < len(waiting) and panel.known_at[tuple(waiting[at])] <= now:
            then, pair = waiting[at]
            at += 1
            # An outcome known before its decision would leak the future.
            if then >= t:
                raise ValueError(f"outcome of moment {panel.times[then]} known at {now}, before it was made")
            book = books[pair].at(str(panel.regime[then, pair]))
            book.learn(_named(names, rewards[then, pair]), _named(names, weights[then, pair]))
        for pair in range(len(panel.pairs)):
            shares = (
                books[pair].at(str(panel.regime[t, pair])).weights(_named(names, 10.0 * panel.depth[t, pair]))
            )
            weights[t, pair] = list(shares.values())
    return weights


def fused(panel: DecisionPanel, weights: Floats) -> Floats:
    """Return the weighted mean depth, (T, P) in [-1, 1]."""
    shape = panel.depth.shape
    depth, _ = fuse(panel.depth.reshape(-1, shape[2]), weights.reshape(-1, shape[2]))
    return depth.reshape(shape[:2])


def _named(names: tuple[str, ...], values: Floats) -> dict[str, float]:
    return {name: value for name, value in zip(names, values.tolist(), strict=True) if value == value}
