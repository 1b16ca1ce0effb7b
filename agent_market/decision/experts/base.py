"""The `Weighting` protocol, and a base class that handles experts that are asleep."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from agent_market.utils.arrays import Bools, Floats


class Weighting(Protocol):
    """Weights of experts, learned from their rewards. `decision.hedge.Hedge` implements it.

    Outcomes may come late and several at a time: any number of `learn` calls, none included, may lie between
    two calls of `weights`.
    """

    def weights(self, awake: Mapping[str, float]) -> dict[str, float]:
        """Return the weight of every expert: 0 for those asleep; the rest are >= 0 and sum to 1, if any.

        :param awake: depth, in [-10, 10], of each expert that has an opinion; unknown names are ignored.
        """
        ...

    def learn(self, rewards: Mapping[str, float], weights: Mapping[str, float]) -> None:
        """Learn one outcome.

        :param rewards: reward in [-1, 1] of each expert that was awake; unknown names are ignored, and
            a call without any known name changes nothing.
        :param weights: weights that the decision was made with; if none is positive among those awake,
            the current weights are used instead.
        :raises ValueError: a reward outside [-1, 1], or not a number.
        """
        ...


class Learner(ABC):
    """Base of the learners: maps names to arrays and handles sleeping experts.

    An expert that was asleep is credited with the algorithm's own reward (the specialists of Freund,
    Schapire, Singer & Warmuth 1997; Gaillard, Stoltz & van Erven 2014, section 4): its regret does not move.
    """

    def __init__(self, experts: Sequence[str]) -> None:
        """:raises ValueError: an expert is named twice, or there is none."""
        if not experts or len(set(experts)) != len(experts):
            raise ValueError(f"experts must be one or more different names, got {list(experts)}")
        self.experts = tuple(experts)

    def weights(self, awake: Mapping[str, float]) -> dict[str, float]:
        """See `Weighting.weights`."""
        mask = np.array([name in awake for name in self.experts])
        shares = np.zeros(len(self.experts))
        if mask.any():
            depths = np.array([awake.get(name, 0.0) for name in self.experts])
            shares = normalised(self._mass(depths, mask), mask)
        return dict(zip(self.experts, shares.tolist(), strict=True))

    def learn(self, rewards: Mapping[str, float], weights: Mapping[str, float]) -> None:
        """See `Weighting.learn`."""
        for name, reward in rewards.items():
            if not -1.0 <= reward <= 1.0:
                raise ValueError(f"reward of expert {name!r} must lie in [-1, 1], got {reward}")
        mask = np.array([name in rewards for name in self.experts])
        if not mask.any():
            return
        gains = np.array([rewards.get(name, 0.0) for name in self.experts])
        held = np.where(mask, [weights.get(name, 0.0) for name in self.experts], 0.0)
        if held.sum() <= 0.0:
            held = self._mass(np.zeros(len(gains)), mask)
        own = float(normalised(held, mask) @ gains)
        self._update(np.where(mask, gains, own), own, mask)

    @abstractmethod
    def _mass(self, depths: Floats, awake: Bools) -> Floats:
        """(N,) weights on any scale, >= 0; entries of sleeping experts are ignored."""

    @abstractmethod
    def _update(self, rewards: Floats, own: float, awake: Bools) -> None:
        """One step.

        :param rewards: (N,) in [-1, 1], sleepers with `own`.
        :param own: reward of the algorithm, by the weights that the decision was made with.
        """


def normalised(mass: Floats, mask: Bools) -> Floats:
    """(N,) `mass` where `mask`, as shares of 1; equal shares where the mass there is 0."""
    kept = np.where(mask, mass, 0.0)
    total = kept.sum()
    return kept / total if total > 0.0 else mask / mask.sum()


def exponential(log_mass: Floats, mask: Bools) -> Floats:
    """(N,) exp(log_mass), scaled so that the largest where `mask` is 1; no overflow."""
    return np.exp(np.minimum(log_mass - log_mass[mask].max(), 0.0))
