"""Hedge: weights that follow the agents' realised rewards, with a regret bound.

Exponential weights over N experts (Freund & Schapire 1997) with the time-varying rate
eta_t = sqrt(8 ln N / t) (Cesa-Bianchi & Lugosi 2006, theorem 2.3), on rewards scaled to [0, 1].
An agent that abstained is asleep: it is credited with the reward of the algorithm itself (the specialists
of Freund, Schapire, Singer & Warmuth 1997), so an abstention neither gains nor costs weight.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence


class Hedge:
    """Cumulative gains of a fixed set of agents, and the weights that follow from them.

    Deterministic; the state is the gains and the number of steps.
    """

    def __init__(self, agents: Sequence[str], learning_rate: float = 1.0) -> None:
        """:param learning_rate: multiplies sqrt(8 ln N / t); 1 is the rate with the textbook bound.
        :raises ValueError: an agent is named twice, there is none, or the rate is not positive.
        """
        if not agents or len(set(agents)) != len(agents):
            raise ValueError(f"agents must be one or more different names, got {list(agents)}")
        if not learning_rate > 0:
            raise ValueError(f"learning_rate must be positive, got {learning_rate}")
        self.agents = tuple(agents)
        self.learning_rate = learning_rate
        self.steps = 0
        self.gains = dict.fromkeys(self.agents, 0.0)

    def weights(self, awake: Collection[str]) -> dict[str, float]:
        """Weight of every agent: 0 for those asleep or unknown; the rest sum to 1, if there are any."""
        voters = [agent for agent in self.agents if agent in awake]
        weights = dict.fromkeys(self.agents, 0.0)
        if not voters:
            return weights
        eta = self.learning_rate * math.sqrt(8.0 * math.log(len(self.agents)) / (self.steps + 1))
        largest = max(self.gains[agent] for agent in voters)
        raw = [math.exp(eta * (self.gains[agent] - largest)) for agent in voters]
        total = math.fsum(raw)
        weights.update((agent, value / total) for agent, value in zip(voters, raw, strict=True))
        return weights

    def learn(self, rewards: Mapping[str, float], weights: Mapping[str, float]) -> None:
        """Take one step: credit each agent with its reward, and sleepers with the algorithm's own.

        :param rewards: reward in [-1, 1] of each agent that was awake; unknown
            agents are ignored, and a call without any known agent changes nothing.
        :param weights: weights that the decision was made with. If none is positive among those awake,
            the current weights are used instead.
        :raises ValueError: a reward outside [-1, 1], or not a number.
        """
        for agent, reward in rewards.items():
            if not -1.0 <= reward <= 1.0:
                raise ValueError(f"reward of agent {agent!r} must lie in [-1, 1], got {reward}")
        scaled = {agent: (rewards[agent] + 1.0) / 2.0 for agent in self.agents if agent in rewards}
        if not scaled:
            return
        held = {agent: weights.get(agent, 0.0) for agent in scaled}
        if math.fsum(held.values()) <= 0.0:
            held = self.weights(scaled)
        own = math.fsum(held[a] * r for a, r in scaled.items()) / math.fsum(held[a] for a in scaled)
        for agent in self.agents:
            self.gains[agent] += scaled.get(agent, own)
        self.steps += 1
