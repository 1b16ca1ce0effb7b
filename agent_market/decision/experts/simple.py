"""Baselines that every learner must beat: equal weights, the majority, and follow the leader."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from agent_market.decision.experts.base import Learner
from agent_market.utils.arrays import Bools, Floats


class Uniform(Learner):
    """Equal weights for all that are awake; hard to beat out of sample (DeMiguel, Garlappi & Uppal 2009)."""

    def _mass(self, depths: Floats, awake: Bools) -> Floats:
        return np.ones(len(self.experts))

    def _update(self, rewards: Floats, own: float, awake: Bools) -> None:
        """There is nothing to learn."""


class Majority(Learner):
    """Equal weights within the side (up, down or flat) that most experts are on; 0 for the rest.

    Where sides tie, all experts on a tied side share.
    """

    def _mass(self, depths: Floats, awake: Bools) -> Floats:
        sides = np.sign(depths)
        votes = np.array([np.count_nonzero(awake & (sides == side)) for side in (-1.0, 0.0, 1.0)])
        leading = votes == votes.max()
        return leading[sides.astype(int) + 1].astype(float)

    def _update(self, rewards: Floats, own: float, awake: Bools) -> None:
        """There is nothing to learn."""


class FollowTheLeader(Learner):
    """All weight on the expert with the largest gain so far, shared among ties.

    Kalai & Vempala 2005 without the noise. Its regret can grow linearly when leaders alternate.
    """

    def __init__(self, experts: Sequence[str]) -> None:
        super().__init__(experts)
        self.gains = np.zeros(len(self.experts))

    def _mass(self, depths: Floats, awake: Bools) -> Floats:
        # Sums in another order differ by rounding; that must not break a tie.
        best = self.gains[awake].max()
        return (self.gains >= best - 1e-12 * max(1.0, abs(best))).astype(float)

    def _update(self, rewards: Floats, own: float, awake: Bools) -> None:
        self.gains += rewards
