"""Weights fed from memory: at any moment they follow from the outcomes known by then, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agent_market.config import DecisionSettings
from agent_market.decision.experts.choose import ByRegime, make_weighting
from agent_market.outcomes import rewards_of
from agent_market.records import Episode


class WeightLearner:
    """The weighting that a sequence of settled episodes leads to, kept so that each is learned once.

    The state is a function of the sequence alone: when it does not continue the one before (a late
    outcome was put in between, or an earlier moment is asked for), it is learned again from the start.
    """

    def __init__(self, experts: Sequence[str], settings: DecisionSettings) -> None:
        """:param experts: agents, and the experts that are none (`experts.seats.seats`)."""
        self._experts = tuple(experts)
        self._settings = settings
        self._learned: tuple[Episode, ...] = ()
        self._weighting = self._untaught()

    def weights(
        self, settled: tuple[Episode, ...], awake: Mapping[str, float], regime: str = ""
    ) -> dict[str, float]:
        """Weights after `settled` (`EpisodicMemory.settled(asof)`, in its order); see `Weighting.weights`.

        :param regime: of the moment decided on; read only where weights are learned for each regime.
        """
        seen = len(self._learned)
        if settled[:seen] != self._learned:
            self._weighting = self._untaught()
            seen = 0
        for episode in settled[seen:]:
            weighting = self._weighting.at(episode.view.regime)
            weighting.learn(rewards_of(episode, self._settings), episode.decision.weights)
        self._learned = settled
        return self._weighting.at(regime).weights(awake)

    def _untaught(self) -> ByRegime:
        return ByRegime(
            lambda: make_weighting(self._experts, self._settings), self._settings.weighting_per_regime
        )
