"""Weights fed from memory: at any moment they follow from the outcomes known by then, and nothing else."""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping, Sequence

from agent_market.config import DecisionSettings
from agent_market.decision.experts.choose import ByRegime, make_weighting
from agent_market.outcomes import rewards_of, still_holds
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
        self._by_pair: dict[str, list[Episode]] = {}
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
            self._by_pair = {}
            seen = 0
        for episode in settled[seen:]:
            weighting = self._weighting.at(episode.view.regime)
            rewards = rewards_of(episode, self._settings, self._note(episode))
            weighting.learn(rewards, episode.decision.weights)
        self._learned = settled
        return with_prior(self._weighting.at(regime).weights(awake), self._settings.weighting_prior)

    def _note(self, episode: Episode) -> Episode | None:
        """Take an episode in; the one decided before it on its pair, if that still held then."""
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
    """Weights times the prior mass of each expert (1 where unnamed), scaled to the sum that they had.

    With Hedge this is Hedge from unequal starting weights: an expert's learned weight multiplies its prior.
    """
    mass = {name: weight * prior.get(name, 1.0) for name, weight in weights.items()}
    total, was = sum(mass.values()), sum(weights.values())
    if total <= 0.0:
        return dict(weights)
    return {name: value * was / total for name, value in mass.items()}
