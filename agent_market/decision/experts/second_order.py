"""Second-order learners: each expert has a rate of its own, set by how much its regret varies."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from agent_market.decision.experts.base import Learner, exponential
from agent_market.utils.arrays import Bools, Floats


class MLPoly(Learner):
    """Polynomially weighted averages with one rate an expert; experts with negative regret have no weight.

    Gaillard, Stoltz & van Erven 2014, figure 1 (ML-Prod's polynomial sister, as in the R package opera): with
    r = (reward - own) / 2, the instantaneous regret on losses in [0, 1],

        R += r,  eta = 1 / (1 + sum r^2),  w ~ eta max(R, 0)

    Equal weights while no expert has a positive regret.
    """

    def __init__(self, experts: Sequence[str]) -> None:
        super().__init__(experts)
        self.regret = np.zeros(len(self.experts))
        self.variation = np.zeros(len(self.experts))

    def _mass(self, depths: Floats, awake: Bools) -> Floats:
        return np.maximum(self.regret, 0.0) / (1.0 + self.variation)

    def _update(self, rewards: Floats, own: float, awake: Bools) -> None:
        regret = (rewards - own) / 2.0
        self.regret += regret
        self.variation += regret**2


class BOA(Learner):
    """Bernstein online aggregation: exponential weights on regret less its own variation.

    Wintenberger 2017, adaptive version as in opera: with r = (reward - own) / 2, E its largest size so far,
    V = sum r^2,

        eta  = min(1 / (2 E), sqrt(ln N / V))
        R   += r - eta r^2 (+ E where eta r > 1/2, which the cap on eta excludes once E is known)
        w    ~ exp(eta R)

    halved as there.  An expert without any regret yet has no rate and weighs as one with regret 0.
    """

    def __init__(self, experts: Sequence[str]) -> None:
        super().__init__(experts)
        self.regret = np.zeros(len(self.experts))
        self.variation = np.zeros(len(self.experts))
        self.largest = np.zeros(len(self.experts))

    def _mass(self, depths: Floats, awake: Bools) -> Floats:
        return exponential(self._rate() * self.regret, awake)

    def _rate(self) -> Floats:
        moved = self.variation > 0.0
        safe = np.where(moved, self.variation, 1.0)
        bound = np.where(moved, 2.0 * self.largest, 1.0)
        rate = np.minimum(1.0 / bound, np.sqrt(math.log(max(len(self.experts), 2)) / safe))
        return np.where(moved, rate, 0.0)

    def _update(self, rewards: Floats, own: float, awake: Bools) -> None:
        regret = (rewards - own) / 2.0
        self.largest = np.maximum(self.largest, np.abs(regret))
        self.variation += regret**2
        rate = self._rate()
        beyond = np.where(rate * regret > 0.5, self.largest, 0.0)
        self.regret += 0.5 * (regret - rate * regret**2 + beyond)
