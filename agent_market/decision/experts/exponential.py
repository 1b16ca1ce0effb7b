"""Exponential weights beyond Hedge: AdaHedge (adaptive rate) and fixed share (tracks a changing leader)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from agent_market.decision.experts.base import Learner, exponential, normalised
from agent_market.utils.arrays import Bools, Floats


class AdaHedge(Learner):
    """Hedge whose rate follows the mixability gap: no tuning, and a high rate while one expert clearly leads.

    de Rooij, van Erven, Grunwald & Koolen 2014, figure 1, on losses (1 - reward) / 2 in [0, 1]:

        w ~ exp(-eta L),  h = w . l,  m = -ln(w . exp(-eta l)) / eta,  D += h - m,  eta = ln N / D

    While D is 0 the rate is infinite: the leader has all weight, shared among ties.  The gap is taken with
    the weights of the moment at which an outcome is learned, the only ones for which it cannot be negative.
    """

    def __init__(self, experts: Sequence[str]) -> None:
        super().__init__(experts)
        self.losses = np.zeros(len(self.experts))
        self.gap = 0.0

    @property
    def rate(self) -> float:
        """eta; infinite while the gap is 0."""
        return math.log(max(len(self.experts), 2)) / self.gap if self.gap > 0.0 else math.inf

    def _mass(self, depths: Floats, awake: Bools) -> Floats:
        if math.isinf(self.rate):
            return (self.losses <= self.losses[awake].min() + 1e-12).astype(float)
        return exponential(-self.rate * self.losses, awake)

    def _update(self, rewards: Floats, own: float, awake: Bools) -> None:
        weights = normalised(self._mass(rewards, awake), awake)
        losses = (1.0 - rewards) / 2.0
        hedged = float(weights @ losses)
        losses = np.where(awake, losses, hedged)
        if math.isinf(self.rate):
            mixed = float(losses[weights > 0.0].min())
        else:
            least = float(losses[weights > 0.0].min())
            mixed = least - math.log(float(weights @ np.exp(-self.rate * (losses - least)))) / self.rate
        self.gap += max(0.0, hedged - mixed)
        self.losses += losses


class FixedShare(Learner):
    """Exponential weights that each step hand a share back to all: tracks a leader that changes.

    Herbster & Warmuth 1998: v ~ w exp(eta g), w = (1 - alpha) v + alpha / N, on gains (1 + reward) / 2.
    With a change every 1 / alpha steps, a stretch has that length and the rate of its bound is
    eta = sqrt(8 alpha ln N).
    """

    def __init__(self, experts: Sequence[str], learning_rate: float = 1.0, share: float = 0.01) -> None:
        """:param share: alpha in (0, 1): the leader is expected to change every 1 / alpha outcomes.
        :raises ValueError: the share or the learning rate is out of range.
        """
        super().__init__(experts)
        if not 0.0 < share < 1.0 or not learning_rate > 0.0:
            raise ValueError(
                f"needs share in (0, 1) and a positive learning rate, got {share} and {learning_rate}"
            )
        self.share = share
        self.rate = learning_rate * math.sqrt(8.0 * share * math.log(max(len(self.experts), 2)))
        self.prior = np.full(len(self.experts), 1.0 / len(self.experts))

    def _mass(self, depths: Floats, awake: Bools) -> Floats:
        return self.prior

    def _update(self, rewards: Floats, own: float, awake: Bools) -> None:
        raw = self.prior * np.exp(self.rate * (rewards - rewards.max()) / 2.0)
        self.prior = (1.0 - self.share) * raw / raw.sum() + self.share / len(raw)
