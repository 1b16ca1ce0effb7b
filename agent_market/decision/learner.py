"""Learn weights from memory: at any moment they depend only on the outcomes known by then."""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping, Sequence

from agent_market.config import DecisionSettings
from agent_market.decision.experts.choose import ByRegime, make_weighting
from agent_market.outcomes import rewards_of, still_holds
from agent_market.records import Episode


class WeightLearner:
    """Apply a weighting to a growing sequence of settled episodes, learning each once.

    The state is a function of the sequence alone: if it does not continue the one before (a late outcome
    was inserted, or an earlier moment is requested), learning restarts from the beginning.
    """

    def __init__(self, experts: Sequence[str], settings: DecisionSettings) -> None:
        """:param experts: agents and virtual experts (`experts.virtual_experts.seats`)."""
        self._experts = tuple(experts)
        self._settings = settings
        self._learned: tuple[Episode, ...] = ()
        self._by_pair: dict[str, list[Episode]] = {}
        self._weighting = self._untaught()

    def weights(
        self, settled: tuple[Episode, ...], awake: Mapping[str, float], regime: str = ""
    ) -> dict[str, float]:
        """Return the weights after the episodes `settled`; see `Weighting.weights`.

        :param settled: `EpisodicMemory.settled(asof)`, in its order.
        :param awake: depth, in [-10, 10], of each expert that has an opinion.
        :param regime: of the moment decided on; used only if weights are learned per regime.
        """
        seen = len(self._learned)
        if settled[:seen] != self._learned:
            self._weighting = self._untaught()
            self._by_pair = {}
            seen = 0
        for episode in settled[seen:]:
            weighting = self._weighting.at(episode.view.regime)
            rewards = rewards_of(episode, self._settings, self._note(episode))
            weighting.learn(rewards, episode.decision.weights)
        self._learned = settled
        return with_prior(self._weighting.at(regime).weights(awake), self._settings.weighting_prior)

    def _note(self, episode: Episode) -> Episode | None:
        """Record an episode; return the previous one of its pair if that still held then."""
        known = self._by_pair.setdefault(episode.view.pair, [])
        insort(known, episode, key=lambda e: e.view.asof)
        at = next(i for i in range(len(known) - 1, -1, -1) if known[i] is episode)
        last = known[at - 1] if at else None
        holds = last is not None and still_holds(last, episode.view.asof, self._settings)
        return last if holds else None

    def _untaught(self) -> ByRegime:
        return ByRegime(
            lambda: make_weighting(self._experts, self._settings), self._settings.weighting_per_regime
        )


def with_prior(weights: Mapping[str, float], prior: Mapping[str, float]) -> dict[str, float]:
    """Multiply weights by the prior mass of each expert (1 where unnamed), and keep their sum.

    With Hedge this is Hedge from unequal starting weights: an expert's learned weight multiplies its prior.
    """
    mass = {name: weight * prior.get(name, 1.0) for name, weight in weights.items()}
    total, was = sum(mass.values()), sum(weights.values())
    if total <= 0.0:
        return dict(weights)
    return {name: value * was / total for name, value in mass.items()}
