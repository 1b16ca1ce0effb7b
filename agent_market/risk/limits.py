"""Risk limits on depth, as rows of data: each that binds leaves a `Clamp`, none acts silently."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from agent_market.config import RiskSettings
from agent_market.decision.action import action_of
from agent_market.records import Clamp, Decision, MarketView, RiskResult

LONG_CUT = 0.5
"""What is left of a long depth where turbulence or drawdown is beyond its limit."""


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit: where its threshold stands, the value it watches, and the depth it lets through.

    `value` gets (depth so far, view) and returns None where the view does not hold the value: such a
    limit cannot bind. `after` gets (depth so far, threshold) once value > threshold; it never
    returns a larger absolute depth.
    """

    name: str
    threshold: Callable[[RiskSettings], float]
    value: Callable[[float, MarketView], float | None]
    after: Callable[[float, float], float]


def _cut_long(depth: float, _threshold: float) -> float:
    return depth * LONG_CUT if depth > 0 else depth


LIMITS: tuple[Limit, ...] = (
    Limit(
        name="max_depth",
        threshold=lambda settings: settings.max_depth,
        value=lambda depth, _view: abs(depth),
        after=lambda depth, threshold: math.copysign(threshold, depth),
    ),
    Limit(
        name="turbulence_limit",
        threshold=lambda settings: settings.turbulence_limit,
        value=lambda _depth, view: view.features.get("turbulence_percentile"),
        after=_cut_long,
    ),
    Limit(
        name="drawdown_limit",
        threshold=lambda settings: settings.drawdown_limit,
        value=lambda _depth, view: view.features.get("drawdown"),
        after=_cut_long,
    ),
)
"""In order of application: the ceiling first, so that a cut is one of what could have been traded."""


def limit_depth(
    decision: Decision, view: MarketView, settings: RiskSettings, hold_threshold: float
) -> RiskResult:
    """The depth that may be traded: never larger in size than the decision's, never of the other side.

    :param hold_threshold: a depth smaller than this, in absolute value, is a hold.
    :raises ValueError: the decision's depth is not a finite number; nothing must be traded on it.
    """
    depth = decision.depth
    if not math.isfinite(depth):
        raise ValueError(f"decision {decision.id} has depth {depth}; it must not be traded")
    clamps = []
    for limit in LIMITS:
        threshold, value = limit.threshold(settings), limit.value(depth, view)
        if value is None or value <= threshold:
            continue
        after = limit.after(depth, threshold)
        if after != depth:
            clamps.append(Clamp(limit.name, threshold, value, before=depth, after=after))
            depth = after
    return RiskResult(depth, action_of(depth, hold_threshold), tuple(clamps))
