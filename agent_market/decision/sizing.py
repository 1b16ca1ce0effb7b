"""Map a depth to a position; shared by the strategy, the evaluation and the tests.

A position is a share of the pair's budget: in [0, 1] on spot, in [-1, 1] where shorts are possible.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from agent_market.config import SizingSettings
from agent_market.decision.textbook import DAYS_A_YEAR, volatility_scale

Floats = npt.NDArray[np.float64]


def target_share(
    depth: npt.ArrayLike, volatility: npt.ArrayLike, settings: SizingSettings, can_short: bool
) -> Floats:
    """(T,) share of the budget to hold: depth / full_depth, brought to the volatility target.

    :param depth: (T,) after risk, in [-10, 10]; NaN counts as 0.
    :param volatility: (T,) of the pair, annualised; NaN (unknown) gives a share of 0 if there is a
        volatility target.
    :param can_short: without it a negative depth is flat.
    """
    share = np.clip(np.nan_to_num(np.asarray(depth, dtype=np.float64)) / settings.full_depth, -1.0, 1.0)
    if settings.volatility_target is not None:
        known = np.asarray(volatility, dtype=np.float64)
        share = share * np.nan_to_num(volatility_scale(known, settings.volatility_target))
    return share if can_short else np.maximum(share, 0.0)


def no_trade_zone(volatility: npt.ArrayLike, side_cost: float, settings: SizingSettings) -> Floats:
    """Compute the smallest change of the share that earns its cost, (T,).

    An investor who holds a Sharpe ratio of 1 at a volatility of `target` a year has risk aversion 1 / target;
    being off the best share by d costs them d^2 volatility^2 / (2 target) a year, and a change costs
    `side_cost` d once.  Over the holding time H (in years) the change pays where

        d > 2 side_cost target / (volatility^2 H),

    kept within `least_change` and `most_change`; `most_change` where the volatility is unknown.
    """
    squared = np.square(np.asarray(volatility, dtype=np.float64))
    target = settings.volatility_target or 1.0
    years = settings.holding_days / DAYS_A_YEAR
    with np.errstate(divide="ignore"):
        zone = 2.0 * side_cost * target / (squared * years)
    zone = np.where(np.isfinite(zone), zone, settings.most_change)
    return np.clip(zone, settings.least_change, settings.most_change)


def next_share(held: float, target: float, zone: float) -> float:
    """Return the share to hold: the target if it is 0, on the other side, or beyond the zone; else `held`."""
    if target == 0.0 or held * target < 0.0 or abs(target - held) > zone:
        return target
    return held


def share_path(target: Floats, zone: Floats) -> Floats:
    """(T,) shares held from flat, if every decision is executed and positions do not drift in between."""
    held, path = 0.0, np.empty(len(target))
    for row, (wanted, width) in enumerate(zip(target.tolist(), zone.tolist(), strict=True)):
        held = path[row] = next_share(held, wanted, width)
    return path
