"""In a trade: the return at which the agents said that they would be wrong, and when to warn of a loss."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from agent_market.records import AgentView


def invalidation_level(views: Iterable[AgentView], weights: Mapping[str, float], sign: int) -> float | None:
    """Weighted mean of the returns from the decision's close that would prove the trade's side wrong.

    Only agents on that side with a level on the losing side count, with their weight; None without any.
    Negative for a long (`sign` +1), positive for a short.
    """
    total = level = 0.0
    for view in views:
        weight = weights.get(view.agent, 0.0)
        if view.abstains or view.invalidation is None or weight <= 0.0 or view.depth * sign <= 0.0:
            continue
        if view.invalidation * sign < 0.0:
            total += weight
            level += weight * view.invalidation
    return level / total if total > 0.0 else None


def invalidated(close_then: float, rate: float, level: float | None, sign: int) -> bool:
    """Whether the price has passed the level, seen from the decision's close."""
    return level is not None and close_then > 0.0 and (rate / close_then - 1.0 - level) * sign <= 0.0
