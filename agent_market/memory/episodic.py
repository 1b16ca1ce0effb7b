"""Episodic memory of one pair: what was decided, and what came of it, as known at a moment.

What comes to mind is decided by likeness alone, or by likeness, freshness and importance among what was
not forgotten: see the settings `memory.layers`, and `memory.layers`, `memory.importance`, `memory.ranking`.
"""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime

import numpy as np
import numpy.typing as npt

from agent_market.config import MemorySettings
from agent_market.errors import StoreError
from agent_market.memory.consolidation import Consolidation, Pins
from agent_market.memory.episode_text import prompt_line
from agent_market.memory.index.exact import squared_distances
from agent_market.memory.index.file import index_over
from agent_market.memory.index.vectors import PointInTimeIndex, PointInTimeVectors
from agent_market.memory.layers import Standing
from agent_market.memory.note_store import forgotten, log_position, pins
from agent_market.memory.ranking import best, scores
from agent_market.records import Episode, MarketView, Move, Neighbour, Outcome, Recall
from agent_market.store.database import Database
from agent_market.store.episode_json import seconds
from agent_market.store.episodes import put_episodes, read_episodes
from agent_market.store.generations import STATE
from agent_market.store.memory_moves import write_moves

_END_OF_TIME = 2**62


class EpisodicMemory:
    """The episodes of one (scope, pair), in memory for recall and in the store for good.

    An episode is recalled, and counted as settled, only from its outcome's `known_at` on.  What is
    remembered or settled is written by `flush`, and until then only in memory.  What a human forgot is
    neither recalled nor counted as settled; `decided` still has it.  Not thread-safe.
    """

    def __init__(self, database: Database, scope: str, pair: str, settings: MemorySettings) -> None:
        """An empty memory; `load` fills it from the store."""
        self._database = database
        self.scope = scope
        self.pair = pair
        self._settings = settings
        self._pending: dict[int, Episode] = {}
        self._gone: frozenset[str] = frozenset()
        self._pins: Pins = {}
        self._log_position = 0
        self._clear()

    def load(self, before: datetime) -> None:
        """Hold exactly what was decided before `before`: from the store, and what waits for `flush`.

        What waits and was decided later stays to be written, and is recalled after the next load.

        :raises StoreError: the store fails, and what was held still is; or it holds a row that cannot be
            read, or one with a state of another length.
        """
        stored = {
            seconds(e.view.asof): e for e in read_episodes(self._database, self.scope, self.pair, before)
        }
        stored.update((asof, e) for asof, e in self._pending.items() if e.view.asof < before)
        position = log_position(self._database)
        gone = frozenset(forgotten(self._database, self.scope, self.pair))
        pinned = pins(self._database, self.scope)
        wanted = _settled_in(stored, gone)
        rows = index_over(self._database, self.scope, self.pair, STATE, wanted)
        # Nothing is read from the store from here on: a failure would leave half a memory.
        self._log_position, self._gone, self._pins = position, gone, pinned
        self._clear()
        if rows is not None:
            self._open_index(rows, [stored[asof] for _, asof in wanted])
        for asof in sorted(stored.keys() - self._settled):
            self._hold(asof, stored[asof])

    def refresh(self, before: datetime) -> None:
        """Follow what humans forgot (it is loaded again then) and pinned since the last load."""
        position = log_position(self._database)
        if position == self._log_position:
            return
        if frozenset(forgotten(self._database, self.scope, self.pair)) != self._gone:
            self.load(before)
            return
        self._pins = pins(self._database, self.scope)
        if self._ledger is not None:
            self._ledger.pinned(self._pins)
        self._log_position = position

    def decided(self) -> tuple[Episode, ...]:
        """Every episode held, those without outcome and those that humans forgot too, ordered by `asof`."""
        held = {**self._open, **self._forgotten}
        settled = () if self._index is None else self._index.known(_END_OF_TIME)
        held.update((seconds(episode.view.asof), episode) for episode in settled)
        return tuple(held[asof] for asof in sorted(held))

    def recall(self, view: MarketView) -> Recall:
        """The `k_max` past episodes that come to mind first, of those whose outcome was known by `view.asof`.

        With `memory.layers` enabled in order of their rank score, else of their distance to `view.state`.

        :raises StoreError: the state has another length than those in memory.
        """
        if self._index is None or self._ledger is None:
            return Recall(view.asof)
        self._require_length(view)
        asof = math.floor(view.asof.timestamp())
        if self._settings.layers.enabled:
            self._ledger.advance(asof)
            near, found = self._ranked(view, asof, self._index, self._ledger)
        else:
            near, found = self._index.rows.nearest(view.state, asof, self._settings.k_max)
        return Recall(view.asof, tuple(map(self._neighbour, self._index.at(found.tolist()), near.tolist())))

    def assess(self, asof: datetime) -> None:
        """Give what became known by `asof` its importance and layer, and re-assess where a month began.

        `recall` does so too: to call it when outcomes are settled only moves the work there.
        """
        if self._ledger is not None and self._settings.layers.enabled:
            self._ledger.advance(math.floor(asof.timestamp()))

    def standing(self, asof: datetime) -> tuple[Standing, ...]:
        """Layer, importance and evidence of every settled episode as of a moment, in order of `settled`.

        Also with `memory.layers` off: then it is what they would be.
        """
        if self._ledger is None:
            return ()
        moment = math.floor(asof.timestamp())
        self._ledger.advance(moment)
        return self._ledger.standing(moment)

    def moves(self) -> tuple[Move, ...]:
        """Every move between layers up to the latest moment asked about, in order of time."""
        return () if self._ledger is None else self._ledger.moves()

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
        waiting = [self._pending[asof] for asof in sorted(self._pending)]
        moves, rewrite = ([], False) if self._ledger is None else self._ledger.unwritten()
        if waiting or moves or rewrite:
            with self._database.begin() as connection:
                put_episodes(connection, waiting)
                write_moves(connection, self.scope, self.pair, moves, rewrite)
        self._pending = {}
        if self._ledger is not None:
            self._ledger.written()

    def _clear(self) -> None:
        self._index: PointInTimeIndex[Episode] | None = None
        self._ledger: Consolidation | None = None
        self._open: dict[int, Episode] = {}
        self._settled: set[int] = set()
        self._forgotten: dict[int, Episode] = {}
        self._lines: dict[str, str] = {}

    def _neighbour(self, episode: Episode, distance: float) -> Neighbour:
        outcome = episode.outcome
        assert outcome is not None, "only settled episodes are in the index"
        asof, known_at = episode.view.asof, outcome.known_at
        return Neighbour(episode.id, asof, known_at, distance, outcome.market_return, self._line(episode))

    def _line(self, episode: Episode) -> str:
        """Return the episode in one line, cached because it may be recalled many times."""
        if not self._settings.text.case_lines:
            return ""
        line = self._lines.get(episode.id)
        if line is None:
            line = self._lines[episode.id] = prompt_line(episode)
        return line

    def _ranked(
        self, view: MarketView, asof: int, index: PointInTimeIndex[Episode], ledger: Consolidation
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
        """Distances and places of the `k_max` episodes with the highest rank scores."""
        alive, weights = ledger.alive(), self._settings.layers.rank
        query = np.asarray(view.state, dtype=np.float32)
        distances = np.sqrt(squared_distances(index.rows.vectors.take(alive, axis=0), query))
        recency = ledger.recency(asof) if weights.recency else 0.0
        rank = scores(distances, index.dim, recency, ledger.importance(), weights)
        chosen = best(rank, self._settings.k_max)
        return distances[chosen], alive[chosen]

    def _open_index(self, rows: PointInTimeVectors, episodes: list[Episode]) -> None:
        """Take the settled episodes in at once, over the rows of the index file."""
        for episode in episodes:
            _require_later(episode)
        self._index = PointInTimeIndex.over(rows, episodes)
        self._ledger = Consolidation(self._index, self._settings.layers, self._settings.k, self._pins)
        self._settled.update(seconds(episode.view.asof) for episode in episodes)

    def _hold(self, asof: int, episode: Episode) -> None:
        outcome = episode.outcome
        _require_later(episode)
        if self._index is None:
            self._index = PointInTimeIndex(len(episode.view.state))
            self._ledger = Consolidation(self._index, self._settings.layers, self._settings.k, self._pins)
        self._require_length(episode.view)
        if outcome is None:
            self._open[asof] = episode
            return
        if episode.id in self._gone:
            self._forgotten[asof] = episode
            self._settled.add(asof)
            self._open.pop(asof, None)
            return
        assert self._ledger is not None, "made with the index"
        known_at = seconds(outcome.known_at)
        self._index.add(known_at, episode.view.state, episode, order=asof)
        self._ledger.late(known_at)
        self._settled.add(asof)
        self._open.pop(asof, None)

    def _require_length(self, view: MarketView) -> None:
        if self._index is not None and len(view.state) != self._index.dim:
            raise StoreError(
                f"the state of {view.pair} at {view.asof} has {len(view.state)} numbers, those in memory "
                f"(scope {self.scope!r}) have {self._index.dim}; use another `memory.scope`"
            )


def _settled_in(stored: dict[int, Episode], gone: frozenset[str]) -> list[tuple[int, int]]:
    """Return (known_at, asof) of the episodes with an outcome that were not forgotten, ascending."""
    return sorted(
        (seconds(e.outcome.known_at), asof)
        for asof, e in stored.items()
        if e.outcome is not None and e.id not in gone
    )


def _require_later(episode: Episode) -> None:
    outcome = episode.outcome
    if outcome is not None and outcome.known_at <= episode.view.asof:
        raise ValueError(
            f"outcome of episode {episode.id} is known at {outcome.known_at}, "
            f"not after the decision at {episode.view.asof}"
        )
