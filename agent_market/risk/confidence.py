"""How much of the stake a confidence leaves: nothing is ever staked beyond what the trader configured."""

from __future__ import annotations

from agent_market.config import CalibrationSettings

EVEN = 0.5


def stake_share(confidence: float, usable: bool, settings: CalibrationSettings) -> float:
    """The share of the stake, in [settings.least_stake, 1]; 1 where confidence has no say.

    A straight line from `least_stake` at a confidence of 0.5 (no better than a coin) to 1 at `full_stake_at`.

    :param confidence: recalibrated probability that the side traded is right, in [0, 1].
    :param usable: whether its error on the newest outcomes is within the limit (`decision.calibration`).
    """
    if not (settings.size_by_confidence and usable):
        return 1.0
    reached = (confidence - EVEN) / (settings.full_stake_at - EVEN)
    return settings.least_stake + (1.0 - settings.least_stake) * min(max(reached, 0.0), 1.0)
