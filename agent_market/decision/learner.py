"""Hedge fed from memory: the weights at a moment follow from the outcomes known by then, and nothing else."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from agent_market.config import DecisionSettings
from agent_market.decision.hedge import Hedge
from agent_market.records import Episode
from agent_market.reflection.outcomes import rewards_of


class HedgeLearner:
    """The Hedge state that a sequence of settled episodes leads to, kept so that each is learned once.

    The state is a function of the sequence alone: when it does not continue the one before (a late
    outcome was put in between, or an earlier moment is asked for), it is learned again from the start.
    """

    def __init__(self, agents: Sequence[str], settings: DecisionSettings) -> None:
        self._agents = tuple(agents)
        self._settings = settings
        self._learned: tuple[Episode, ...] = ()
        self._hedge = self._untaught()

    def weights(self, settled: tuple[Episode, ...], awake: Collection[str]) -> dict[str, float]:
        """Weights after `settled` (`EpisodicMemory.settled(asof)`, in its order); see `Hedge.weights`."""
        seen = len(self._learned)
        if settled[:seen] != self._learned:
            self._hedge = self._untaught()
            seen = 0
        for episode in settled[seen:]:
            self._hedge.learn(rewards_of(episode, self._settings), episode.decision.weights)
        self._learned = settled
        return self._hedge.weights(awake)

    def _untaught(self) -> Hedge:
        return Hedge(self._agents, self._settings.learning_rate)
