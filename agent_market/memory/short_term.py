"""The short-term log: what was advised of late, and what it earned, as arrays for training and scheduling."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from agent_market.records import Episode
from agent_market.utils.arrays import Floats


@dataclass(frozen=True, slots=True)
class Advice:
    """T decisions of N agents, oldest first.

    `depth` and `confidence` (T, N) are NaN where an agent abstained; `reward` (T, N) is money per unit of
    stake that the agent's own depth made after costs, NaN where it abstained or nothing was known yet.
    """

    agents: tuple[str, ...]
    asof: tuple[datetime, ...]
    depth: Floats
    confidence: Floats
    reward: Floats


class ShortTermLog:
    """The newest decisions of one pair, in memory only. Not thread-safe."""

    def __init__(self, agents: Sequence[str], capacity: int = 512) -> None:
        """
        :param agents: whose advice is kept, in this order.
        :param capacity: how many decisions are kept; the oldest go first.
        """
        self.agents = tuple(agents)
        self._capacity = capacity
        self._episodes: dict[datetime, Episode] = {}

    @classmethod
    def of(cls, agents: Sequence[str], episodes: Iterable[Episode], capacity: int = 512) -> ShortTermLog:
        """A log of the newest of these episodes."""
        log = cls(agents, capacity)
        for episode in episodes:
            log.note(episode)
        return log

    def __len__(self) -> int:
        return len(self._episodes)

    def note(self, episode: Episode) -> None:
        """Note a decision; noted again, with its outcome, it replaces itself."""
        self._episodes[episode.view.asof] = episode
        while len(self._episodes) > self._capacity:
            del self._episodes[min(self._episodes)]

    def at(self, asof: datetime) -> Advice:
        """The advice given by `asof`, with the rewards known by then."""
        given = [self._episodes[t] for t in sorted(self._episodes) if t <= asof]
        shape = (len(given), len(self.agents))
        depth, confidence, reward = (np.full(shape, np.nan) for _ in range(3))
        place = {agent: n for n, agent in enumerate(self.agents)}
        held = [0.0] * len(self.agents)
        for row, episode in enumerate(given):
            holding = [0.0] * len(self.agents)
            known = episode.outcome if episode.outcome and episode.outcome.known_at <= asof else None
            for view in episode.views:
                n = place.get(view.agent)
                if n is None or view.abstains:
                    continue
                depth[row, n], confidence[row, n] = view.depth, view.confidence
                if known is not None:
                    reward[row, n] = known.reward(view.depth, held[n])
                holding[n] = view.depth
            held = holding
        return Advice(self.agents, tuple(e.view.asof for e in given), depth, confidence, reward)
