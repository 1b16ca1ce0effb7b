"""Recall by several aspects at once: a state that is alike, the same pair, regime or strategy.

`memory.episodic` recalls within one pair, for every decision; this looks across pairs and runs, for whoever
asks why, or wants more cases than one pair has.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from agent_market.memory.episodic import EpisodicMemory
from agent_market.memory.ranking import best
from agent_market.records import Episode, MarketView


@dataclass(frozen=True, slots=True)
class AspectWeights:
    """What each aspect is worth; each is 0 to 1 before it is weighed."""

    state: float = 1.0
    pair: float = 0.2
    regime: float = 0.2
    strategy: float = 0.1


@dataclass(frozen=True, slots=True)
class Recollection:
    """A recalled episode, its score, and what each aspect gave to it before weights."""

    episode: Episode
    score: float
    aspects: Mapping[str, float]


class Retriever:
    """Looks into several loaded memories, of pairs and of runs."""

    def __init__(self, memories: Sequence[EpisodicMemory], weights: AspectWeights | None = None) -> None:
        """:param memories: loaded; a memory's scope is its strategy."""
        self._memories = tuple(memories)
        self._weights = weights or AspectWeights()

    def top(self, view: MarketView, k: int, strategy: str | None = None) -> tuple[Recollection, ...]:
        """The `k` episodes with the highest scores of those whose outcome was known by `view.asof`.

            score = w_state exp(-distance / sqrt(dim)) + w_pair [same pair] + w_regime [same regime]
                    + w_strategy [same scope]

        The first term is that of `memory.ranking`. Equal scores: the one that was known first, then by id.

        :param strategy: the scope that counts as the same; None = none does.
        """
        known = [episode for memory in self._memories for episode in memory.settled(view.asof)]
        alike = [episode for episode in known if len(episode.view.state) == len(view.state)]
        if not alike or k < 1:
            return ()
        alike.sort(key=lambda e: (_known_at(e), e.scope, e.id))
        states = np.array([episode.view.state for episode in alike], dtype=np.float64)
        distance = np.linalg.norm(states - np.array(view.state, dtype=np.float64), axis=1)
        aspects = {
            "state": np.exp(-distance / math.sqrt(max(len(view.state), 1))),
            "pair": np.array([float(e.view.pair == view.pair) for e in alike]),
            "regime": np.array([float(e.view.regime == view.regime) for e in alike]),
            "strategy": np.array([float(e.scope == strategy) for e in alike]),
        }
        weights = self._weights
        score = (
            weights.state * aspects["state"]
            + weights.pair * aspects["pair"]
            + weights.regime * aspects["regime"]
            + weights.strategy * aspects["strategy"]
        )
        return tuple(
            Recollection(alike[n], float(score[n]), {name: float(part[n]) for name, part in aspects.items()})
            for n in best(score, k).tolist()
        )


def _known_at(episode: Episode) -> float:
    assert episode.outcome is not None, "only settled episodes are asked for"
    return episode.outcome.known_at.timestamp()
