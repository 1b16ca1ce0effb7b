"""Dividing the candidates between proposers: Thompson sampling on what each has brought into the pool.

Each proposal is a Bernoulli trial, won if the factor is taken into the pool; an arm's chance of winning has
the posterior Beta(1 + wins, 1 + losses), one draw of each decides who proposes next (Thompson 1933; Chapelle
& Li 2011, "An Empirical Evaluation of Thompson Sampling").  Old evidence is discounted at each update, for a
library runs dry and a filling pool is harder to enter (Raj & Kalyani 2017, "Taming Non-stationary Bandits").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from agent_market.config import Proposer

DISCOUNT = 0.9


@dataclass(frozen=True, slots=True)
class Arm:
    """One proposer: discounted wins and losses, how often it was asked, and why it is asked no more."""

    name: Proposer
    wins: float = 0.0
    losses: float = 0.0
    asked: int = 0
    proposals: int = 0
    accepted: int = 0
    retired: str | None = None


@dataclass(frozen=True, slots=True)
class Bandit:
    """Immutable: `updated` gives the bandit after a batch."""

    arms: tuple[Arm, ...]

    @classmethod
    def over(cls, names: Sequence[Proposer]) -> Bandit:
        return cls(tuple(Arm(name) for name in dict.fromkeys(names)))

    def choose(self, random: np.random.Generator) -> Proposer | None:
        """Who proposes next: first each once in order, then by the draws; None when all are retired."""
        active = [arm for arm in self.arms if arm.retired is None]
        if not active:
            return None
        for arm in active:
            if not arm.asked:
                return arm.name
        draws = [float(random.beta(1.0 + arm.wins, 1.0 + arm.losses)) for arm in active]
        return active[int(np.argmax(draws))].name

    def updated(self, name: Proposer, proposals: int, accepted: int) -> Bandit:
        """After a batch of `proposals`, `accepted` of which entered the pool; an empty one is a loss."""
        losses = max(proposals - accepted, 1 if not accepted else 0)
        return self._with(
            name,
            lambda arm: replace(
                arm,
                wins=arm.wins * DISCOUNT + accepted,
                losses=arm.losses * DISCOUNT + losses,
                asked=arm.asked + 1,
                proposals=arm.proposals + proposals,
                accepted=arm.accepted + accepted,
            ),
        )

    def retired(self, name: Proposer, why: str) -> Bandit:
        """Without this arm from now on."""
        return self._with(name, lambda arm: replace(arm, retired=why))

    def _with(self, name: Proposer, change: object) -> Bandit:
        assert callable(change)
        return Bandit(tuple(change(arm) if arm.name == name else arm for arm in self.arms))
