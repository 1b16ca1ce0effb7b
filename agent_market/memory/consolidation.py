"""Importance and layer of every episode, as of a moment: a fold over what was known by then.

The state at a moment is a function of the episodes known by then and of nothing else: what comes later
changes none of it, and a run that goes on from the store has the memory of one that never stopped.  It is
kept from one moment to the next; an earlier moment, or a late outcome, has it folded again from the start.
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
import pandas as pd

from agent_market.config import LayerSettings
from agent_market.memory.consolidation_rows import (
    ARCHIVE,
    EPISODIC,
    LAYERS,
    LONG,
    SHORT,
    WORKING,
    Rows,
    standings,
)
from agent_market.memory.decay import retained, retention
from agent_market.memory.importance import (
    importance,
    importances,
    rank_share,
    rank_shares,
    surprise,
    usefulness,
)
from agent_market.memory.index.vectors import PointInTimeIndex
from agent_market.memory.layers import DAY_S, Standing, half_lives_s, month_after, shock
from agent_market.memory.note_store import pinned_at
from agent_market.outcomes import expected_std
from agent_market.records import Episode, Move
from agent_market.store.episode_json import seconds
from agent_market.utils.arrays import Floats, Ints

Pins = Mapping[str, Sequence[tuple[int, bool]]]
"""By episode id: when (seconds since the epoch) it was pinned (True) or no longer, in order of time."""

_NEVER = -(1 << 62)


class Consolidation:
    """The layers of one memory. Its rows are those of the index: episodes in order of (known_at, asof).

    Not thread-safe.
    """

    def __init__(
        self, index: PointInTimeIndex[Episode], settings: LayerSettings, neighbours: int, pins: Pins
    ) -> None:
        """
        :param neighbours: how many of the nearest states say how rare a state is.
        :param pins: what humans pinned; see `pinned`.
        """
        self._index = index
        self._settings = settings
        self._neighbours = neighbours
        self._pins = pins
        self._half_lives = half_lives_s(settings)
        self._at = self._month = _NEVER
        self._folded = 0
        self._rows = Rows(0)
        self._reset()

    def late(self, known_at: int) -> None:
        """Tell that an episode with this `known_at` was added to, or removed from, the index."""
        if known_at <= self._at:
            self._reset()

    def pinned(self, pins: Pins) -> None:
        """Take over what humans pinned: for each episode when it was pinned (True) or no longer, in order.

        An episode that is pinned at a re-assessment is not forgotten there, and comes back from the archive.
        """
        if pins != self._pins:
            self._pins = pins
            self._reset()

    def advance(self, asof: int) -> None:
        """Bring the state to what it was at `asof`, seconds since the epoch."""
        if asof < self._at:
            self._reset()
        fresh = self._index.between(self._folded, self._index.rows.prefix(asof))
        if fresh:
            self._make_room(self._folded + len(fresh))
            for episode, novelty in zip(fresh, self._novelties(fresh), strict=True):
                assert episode.outcome is not None, "only settled episodes are in the index"
                known_s = seconds(episode.outcome.known_at)
                self._assess_months(before=known_s)
                self._fold(episode, known_s, novelty)
        self._assess_months(before=asof + 1)
        self._at = asof

    def moves(self) -> tuple[Move, ...]:
        """Every move so far, in order of time."""
        return tuple(self._moves)

    def unwritten(self) -> tuple[list[Move], bool]:
        """Moves since `written` was called, in order of time; and whether they replace all earlier ones."""
        return self._moves[self._written :], self._anew

    def written(self) -> None:
        """Tell that what `unwritten` gave has been stored."""
        self._written, self._anew = len(self._moves), False

    def alive(self) -> Ints:
        """Places of the rows that can be recalled."""
        return self._alive[: self._living]

    def recency(self, asof: int) -> Floats:
        """How fresh each of `alive()` is, in (0, 1]: retention, by the half-life of its layer."""
        alive = self.alive()
        return retention(asof - self._rows.used[alive], self._half_lives[self._layer_at(alive, asof)])

    def importance(self) -> Floats:
        """Importance of each of `alive()`, in [1, 10]."""
        return self._rows.importance[self.alive()]

    def standing(self, asof: int) -> tuple[Standing, ...]:
        """What is held of each episode folded, in the order of the rows; `asof` as in `advance`."""
        rows, every = self._rows, np.arange(self._folded)
        layers = self._layer_at(every, asof)
        # Only what can be forgotten decays.
        decaying = (layers == WORKING) | (layers == SHORT)
        half_life = np.where(decaying, self._half_lives[SHORT], np.inf)
        left = retained(rows.importance[every], asof - rows.used[every], half_life)
        size = rank_shares(rows.size[every], self._sizes)
        rarity = rank_shares(rows.novelty[every], self._novel)
        return standings(self._index.between(0, self._folded), rows, layers, left, size, rarity)

    # --- events, in order of time ------------------------------------------------------------------------

    def _fold(self, episode: Episode, known_s: int, novelty: float) -> None:
        """An outcome became known: judge what was recalled for it, then assess the episode itself."""
        outcome = episode.outcome
        assert outcome is not None, "only settled episodes are known"
        self._judge(episode, outcome.market_return, known_s)
        candles = (episode.due - episode.view.asof) / _candle(episode.view.timeframe)
        expected = expected_std(episode.view, round(candles))
        stunned = surprise(outcome.market_return, expected, episode.decision.depth)
        surprised = math.nan if stunned is None else stunned
        size, place, rows = abs(outcome.market_return), self._folded, self._rows
        insort(self._sizes, size)
        if not math.isnan(novelty):
            insort(self._novel, novelty)
        rows.known[place] = rows.used[place] = known_s
        rows.surprise[place], rows.size[place], rows.novelty[place] = surprised, size, novelty
        rows.importance[place] = score = importance(
            surprised,
            rank_share(size, self._sizes),
            rank_share(novelty, self._novel),
            usefulness(0.0, 0.0),
            self._settings.importance,
        )
        rows.layer[place] = SHORT
        self._place_of[episode.id] = place
        self._folded += 1
        self._alive[self._living] = place
        self._living += 1
        if self._month == _NEVER:
            self._month = month_after(known_s)
        why = shock(outcome, expected, self._settings.shock_deviations)
        if why is not None:
            self._move(place, known_s, EPISODIC, why)
        elif score >= self._settings.promote_at:
            self._move(place, known_s, LONG, f"importance {score:.1f}")

    def _judge(self, episode: Episode, market_return: float, known_s: int) -> None:
        rows = self._rows
        for neighbour in episode.recall.neighbours:
            place = self._place_of.get(neighbour.episode_id)
            if place is None:  # deleted since by a human
                continue
            rows.judged[place] += 1
            if neighbour.market_return * market_return > 0.0:
                rows.helped[place] += 1
                rows.used[place] = known_s

    def _assess_months(self, before: int) -> None:
        """The re-assessments due before a moment; the first month after the first outcome is the first."""
        while self._month != _NEVER and self._month < before:
            self._assess_month(self._month)
            self._month = month_after(self._month)

    def _assess_month(self, at: int) -> None:
        rows, settings = self._rows, self._settings
        pinned = self._pinned_at(at)
        for place in pinned:
            if rows.layer[place] == ARCHIVE:
                rows.used[place] = at
                self._move(place, at, SHORT, "pinned")
        kept = np.flatnonzero(rows.layer[: self._folded] != ARCHIVE)
        rows.importance[kept] = importances(
            rows.surprise[kept],
            rank_shares(rows.size[kept], self._sizes),
            rank_shares(rows.novelty[kept], self._novel),
            usefulness(rows.helped[kept].astype(np.float64), rows.judged[kept].astype(np.float64)),
            settings.importance,
        )
        short = kept[rows.layer[kept] == SHORT]
        promoted = rows.importance[short] >= settings.promote_at
        for place in short[promoted].tolist():
            self._move(place, at, LONG, f"importance {rows.importance[place]:.1f}")
        left = short[~promoted]
        left = left[at - rows.known[left] >= settings.working_days * DAY_S]
        remains = retained(rows.importance[left], at - rows.used[left], self._half_lives[SHORT])
        for place, rest in zip(left.tolist(), remains.tolist(), strict=True):
            if rest <= settings.forget_at and place not in pinned:
                self._move(place, at, ARCHIVE, f"decayed to {rest:.1f}")
        left = np.flatnonzero(rows.layer[: self._folded] != ARCHIVE)
        self._living = len(left)
        self._alive[: self._living] = left

    def _pinned_at(self, at: int) -> list[int]:
        """Places of the episodes whose pin was known by `at`, in order."""
        places = []
        for episode_id, log in self._pins.items():
            if episode_id in self._place_of and pinned_at(log, at):
                places.append(self._place_of[episode_id])
        return sorted(places)

    def _move(self, place: int, at: int, layer: int, reason: str) -> None:
        self._rows.layer[place] = layer
        (episode,) = self._index.at([place])
        score = float(self._rows.importance[place])
        self._moves.append(Move(seconds(episode.view.asof), at, LAYERS[layer], score, reason))

    def _reset(self) -> None:
        self._rows = Rows(0)
        self._folded = 0
        self._at = self._month = _NEVER
        self._place_of: dict[str, int] = {}
        self._sizes: list[float] = []
        self._novel: list[float] = []
        self._alive: Ints = np.zeros(0, dtype=np.int64)
        self._living = 0
        self._moves: list[Move] = []
        self._written = 0
        self._anew = True

    # --- derived -----------------------------------------------------------------------------------------

    def _novelties(self, episodes: list[Episode]) -> list[float]:
        """Mean distance of each state to the nearest ones known at its decision; NaN with too few of them."""
        states = [e.view.state for e in episodes]
        asofs = [seconds(e.view.asof) for e in episodes]
        distances, _ = self._index.rows.search(states, asofs, self._neighbours)
        mean = distances.mean(axis=1)
        return np.where(np.isfinite(mean), mean, np.nan).tolist()

    def _make_room(self, count: int) -> None:
        if count > len(self._alive):
            room = max(2 * count, 256)
            self._rows = self._rows.widened(room)
            self._alive = np.concatenate([self._alive, np.zeros(room - len(self._alive), dtype=np.int64)])

    def _layer_at(self, places: Ints, asof: int) -> Ints:
        layer = self._rows.layer[places]
        young = asof - self._rows.known[places] < self._settings.working_days * DAY_S
        return np.where(young & (layer == SHORT), WORKING, layer)


@cache
def _candle(timeframe: str) -> pd.Timedelta:
    return pd.Timedelta(timeframe)
