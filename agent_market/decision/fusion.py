"""Fusing views into one depth: the same arithmetic for one decision and for a column of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from agent_market.config import DecisionSettings
from agent_market.decision.action import action_of
from agent_market.records import DEPTH_LIMIT, AgentView, Decision, MarketView


def fuse(
    depth: npt.ArrayLike,
    weight: npt.ArrayLike,
    multipliers: npt.ArrayLike | None = None,
    temperature: float = 1.0,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Compute the weighted mean depth of N agents at T moments.

    An agent counts where its weight and multiplier are positive and its depth is a number; its
    effective weight is then proportional to (weight * multiplier) ** (1 / temperature).

    :param depth: (T, N) in [-10, 10].
    :param weight: (T, N), any scale; NaN or not positive: the agent does not count there.
    :param multipliers: (N,) factors on the weights, all 1 if None; 0 takes an agent out.
    :param temperature: above 1 evens the weights out, below 1 favours the largest; 1 keeps them.
    :returns: fused depth (T,) in [-10, 10], 0 where no agent counts, and effective weights (T, N), each
        row of which sums to 1, or is all 0.
    :raises ValueError: the temperature is not positive, or the shapes do not match.
    """
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}")
    # In C order each row is summed in the same order whatever T is: columns agree with single decisions.
    depths = np.ascontiguousarray(depth, dtype=np.float64)
    raw = np.ascontiguousarray(weight, dtype=np.float64)
    if depths.ndim != 2 or raw.shape != depths.shape:
        raise ValueError(f"depth and weight must both be (T, N), got {depths.shape} and {raw.shape}")
    if multipliers is not None:
        raw = raw * np.asarray(multipliers, dtype=np.float64)
    counts = (raw > 0) & np.isfinite(depths)
    raw = np.where(counts, raw, 0.0)
    if temperature != 1.0:
        # Relative to the largest first: small temperatures would overflow or underflow otherwise.
        largest = raw.max(axis=1, initial=0.0, keepdims=True)
        raw = (raw / np.where(largest > 0, largest, 1.0)) ** (1.0 / temperature)
    total = raw.sum(axis=1, keepdims=True)
    effective = raw / np.where(total > 0, total, 1.0)
    fused = (effective * np.where(counts, depths, 0.0)).sum(axis=1)
    return np.minimum(np.maximum(fused, -DEPTH_LIMIT), DEPTH_LIMIT), effective


def decide(
    view: MarketView,
    views: Sequence[AgentView],
    weights: Mapping[str, float],
    settings: DecisionSettings,
    decision_id: str,
) -> Decision:
    """Fuse the agents' views into one decision at `view.asof`.

    :param views: one per agent. Abstentions get weight 0.
    :param weights: weight of each agent, any scale; an agent without one gets 0.
    :returns: a decision whose confidence is the weighted mean of the agents' confidences; depth,
        confidence and all weights are 0 if no agent counts.
    """
    given = np.array([[0.0 if v.abstains else weights.get(v.agent, 0.0) for v in views]])
    depths = np.array([[v.depth for v in views]])
    fused, effective = fuse(depths, given)
    shares = effective[0].tolist()
    depth = float(fused[0])
    return Decision(
        id=decision_id,
        pair=view.pair,
        asof=view.asof,
        depth=depth,
        action=action_of(depth, settings.hold_threshold),
        confidence=min(sum(share * v.confidence for share, v in zip(shares, views, strict=True)), 1.0),
        weights={v.agent: share for share, v in zip(shares, views, strict=True)},
        contributions={v.agent: share * v.depth for share, v in zip(shares, views, strict=True)},
    )
