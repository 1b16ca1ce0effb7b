"""Episodic memory of one pair: what was decided, and what came of it, as known at a moment."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime

from agent_market.config import MemorySettings
from agent_market.errors import StoreError
from agent_market.memory.index import PointInTimeIndex
from agent_market.records import Episode, MarketView, Neighbour, Outcome, Recall
from agent_market.store.database import Database
from agent_market.store.episode_json import seconds
from agent_market.store.episodes import read_episodes, write_episodes


class EpisodicMemory:
    """The episodes of one (scope, pair), in memory for recall and in the store for good.

    An episode is recalled, and counted as settled, only from its outcome's `known_at` on.  What is
    remembered or settled is written by `flush`, and until then only in memory.  Not thread-safe.
    """

    def __init__(self, database: Database, scope: str, pair: str, settings: MemorySettings) -> None:
        """An empty memory; `load` fills it from the store."""
        self._database = database
        self.scope = scope
        self.pair = pair
        self._settings = settings
        self._pending: dict[int, Episode] = {}
        self._clear()

    def load(self, before: datetime) -> None:
        """Hold exactly what was decided before `before`: from the store, and what waits for `flush`.

        What waits and was decided later stays to be written, and is recalled after the next load.

        :raises StoreError: the store fails, holds a row that cannot be read, or one with a state of
            another length.
        """
        stored = {
            seconds(e.view.asof): e for e in read_episodes(self._database, self.scope, self.pair, before)
        }
        stored.update((asof, e) for asof, e in self._pending.items() if e.view.asof < before)
        self._clear()
        for asof in sorted(stored):
            self._hold(asof, stored[asof])

    def recall(self, view: MarketView) -> Recall:
        """The `k_max` past episodes nearest to `view.state` whose outcome was known by `view.asof`.

        :raises StoreError: the state has another length than those in memory.
        """
        if self._index is None:
            return Recall(view.asof)
        self._require_length(view)
        asof = math.floor(view.asof.timestamp())
        distances, found = self._index.search([view.state], [asof], self._settings.k_max)
        return Recall(view.asof, tuple(map(_neighbour, found[0], distances[0])))

    def remember(self, episode: Episode) -> None:
        """Hold a new episode, to be written by the next `flush`.

        An unsettled one of equal `asof` is replaced.

        :raises ValueError: it is of another scope or pair, or one of equal `asof` is settled already.
        :raises StoreError: its state has another length than those in memory.
        """
        if (episode.scope, episode.view.pair) != (self.scope, self.pair):
            raise ValueError(
                f"episode {episode.id} is of {episode.scope}/{episode.view.pair}, "
                f"this memory of {self.scope}/{self.pair}"
            )
        asof = seconds(episode.view.asof)
        if asof in self._settled:
            raise ValueError(f"the episode of {self.pair} at {episode.view.asof} is settled already")
        self._hold(asof, episode)
        self._pending[asof] = episode

    def unsettled(self) -> tuple[Episode, ...]:
        """Episodes without outcome, ordered by `asof`."""
        return tuple(self._open[asof] for asof in sorted(self._open))

    def settle(self, episode: Episode, outcome: Outcome) -> Episode:
        """Give an unsettled episode its outcome; it can be recalled from `outcome.known_at` on.

        :returns: the episode with its outcome.
        :raises ValueError: it is not among `unsettled()`, or the outcome is known before the decision.
        """
        asof = seconds(episode.view.asof)
        held = self._open.get(asof)
        if held is None or held.id != episode.id:
            raise ValueError(f"episode {episode.id} of {self.pair} at {episode.view.asof} is not unsettled")
        settled = replace(held, outcome=outcome)
        self._hold(asof, settled)
        self._pending[asof] = settled
        return settled

    def settled(self, asof: datetime) -> tuple[Episode, ...]:
        """Episodes whose outcome was known by `asof`, ordered by (outcome.known_at, asof of the episode)."""
        if self._index is None:
            return ()
        return self._index.known(math.floor(asof.timestamp()))

    def flush(self) -> None:
        """Write all that waits, in one transaction; nothing waits afterwards.

        :raises StoreFull: no room. Nothing was written, everything still waits: flush again later.
        :raises StoreError: another failure of the store; everything still waits.
        """
        write_episodes(self._database, [self._pending[asof] for asof in sorted(self._pending)])
        self._pending = {}

    def _clear(self) -> None:
        self._index: PointInTimeIndex[Episode] | None = None
        self._open: dict[int, Episode] = {}
        self._settled: set[int] = set()

    def _hold(self, asof: int, episode: Episode) -> None:
        outcome = episode.outcome
        if outcome is not None and outcome.known_at <= episode.view.asof:
            raise ValueError(
                f"outcome of episode {episode.id} is known at {outcome.known_at}, "
                f"not after the decision at {episode.view.asof}"
            )
        if self._index is None:
            self._index = PointInTimeIndex(len(episode.view.state))
        self._require_length(episode.view)
        if outcome is None:
            self._open[asof] = episode
            return
        self._index.add(seconds(outcome.known_at), episode.view.state, episode, order=asof)
        self._settled.add(asof)
        self._open.pop(asof, None)

    def _require_length(self, view: MarketView) -> None:
        if self._index is not None and len(view.state) != self._index.dim:
            raise StoreError(
                f"the state of {view.pair} at {view.asof} has {len(view.state)} numbers, those in memory "
                f"(scope {self.scope!r}) have {self._index.dim}; use another `memory.scope`"
            )


def _neighbour(episode: Episode, distance: float) -> Neighbour:
    outcome = episode.outcome
    assert outcome is not None, "only settled episodes are in the index"
    return Neighbour(episode.id, episode.view.asof, outcome.known_at, distance, outcome.market_return)
