"""Recall by text as it stood at a moment: words, the words around, named things, and meaning, fused.

Items are kept in the order in which they became known, so that a query sees a prefix and every statistic
(how rare a word is, how long texts are, mean and deviation of each channel) is that of the prefix.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from agent_market.config import TextSettings
from agent_market.memory.text.bm25 import Bm25
from agent_market.memory.text.embedder import Embedder
from agent_market.memory.text.entities import entities
from agent_market.memory.text.fusion import Scores, fuse
from agent_market.memory.text.stance import Claim
from agent_market.memory.text.words import terms

CHANNELS = ("turn", "context", "entities", "dense")

_POOL = 4
"""Merging and contradictions are looked for among so many times the wanted number."""


@dataclass(frozen=True, slots=True)
class Aspects:
    """Where something applies, or what is asked for: None = everywhere, or anything."""

    pair: str | None = None
    regime: str | None = None
    strategy: str | None = None

    def apply_to(self, asked: Aspects) -> bool:
        """Whether what has these aspects applies where `asked` is the case."""
        return (
            _agree(self.pair, asked.pair)
            and _agree(self.regime, asked.regime)
            and _agree(self.strategy, asked.strategy)
        )


EVERYWHERE = Aspects()


@dataclass(frozen=True, slots=True)
class TextItem:
    """One text in memory. Times in seconds since the epoch; `context` is what stood around it.

    `trust` (0 to 1) says which of two that say the same stays.
    """

    id: str
    text: str
    known_at: int
    valid_from: int
    invalid_from: int | None = None
    context: str = ""
    trust: float = 0.5
    aspects: Aspects = EVERYWHERE

    def is_valid_at(self, asof: int) -> bool:
        return self.valid_from <= asof and (self.invalid_from is None or asof < self.invalid_from)


@dataclass(frozen=True, slots=True)
class Hit:
    """A found text. `channels` are its raw scores; `merged` the ids of others that say the same (the item
    is the most trusted of them, then the newest), `contested_by` those that say the opposite."""

    item: TextItem
    score: float
    channels: Mapping[str, float]
    merged: tuple[str, ...] = ()
    contested_by: tuple[str, ...] = ()


@dataclass(slots=True)
class _Group:
    best: int
    score: float
    places: list[int] = field(default_factory=list)
    contested: list[int] = field(default_factory=list)


class TextIndex:
    """A growing set of texts, searched as it stood at any moment. Not thread-safe."""

    def __init__(
        self, settings: TextSettings, embedder: Embedder | None = None, items: Iterable[TextItem] = ()
    ) -> None:
        """
        :param embedder: gives the dense channel; None = recall by words alone.
        :param items: texts to start with, in any order.
        """
        self._settings = settings
        self._embedder = embedder
        self._weights = dict(zip(CHANNELS, _weights(settings), strict=True))
        self._rebuild(sorted(items, key=_key))

    def __len__(self) -> int:
        return len(self._items)

    def add(self, item: TextItem) -> None:
        """Add one text. In order of time O(words); one that is known earlier than others rebuilds the index.

        :raises ValueError: the id is taken.
        """
        if item.id in self._ids:
            raise ValueError(f"text {item.id!r} is in the index already")
        if not self._items or _key(self._items[-1]) < _key(item):
            self._append(item)
            return
        items = list(self._items)
        insort(items, item, key=_key)
        self._rebuild(items)

    def remove(self, item_id: str) -> bool:
        """Take a text out, with all that was counted of it; False if it is not there."""
        if item_id not in self._ids:
            return False
        self._rebuild([item for item in self._items if item.id != item_id])
        return True

    def known(self, asof: int) -> tuple[TextItem, ...]:
        """Texts with `known_at <= asof` that are valid then, ordered by (known_at, id)."""
        return tuple(item for item in self._items[: self._prefix(asof)] if item.is_valid_at(asof))

    def search(self, query: str, asof: int, k: int, aspects: Aspects | None = None) -> tuple[Hit, ...]:
        """The `k` best texts known and valid at `asof`, best first; fewer if fewer say anything to the query.

        A text is found if any channel finds it. Those that say the same as a better one are merged into it,
        those that say the opposite are named in `contested_by`. Equal scores: newest first, then by id.

        :param aspects: leave out what does not apply there; None = everything.
        """
        size = self._prefix(asof)
        seen = [
            place
            for place, item in enumerate(self._items[:size])
            if item.is_valid_at(asof) and (aspects is None or item.aspects.apply_to(aspects))
        ]
        if not seen or k < 1:
            return ()
        at = np.array(seen, dtype=np.intp)
        channels = {name: scores[at] for name, scores in self._channels(query, size).items()}
        fused = fuse(channels, self._weights)
        found = np.any([scores > 0.0 for scores in channels.values()], axis=0)
        order = sorted(
            np.flatnonzero(found).tolist(),
            key=lambda n: (-fused[n], -self._items[seen[n]].known_at, self._items[seen[n]].id),
        )
        groups = self._grouped([(seen[n], float(fused[n])) for n in order[: _POOL * k]], k)
        raw = {place: n for n, place in enumerate(seen)}
        return tuple(self._hit(group, channels, raw) for group in groups)

    def contradicting(self, item_id: str, asof: int) -> tuple[str, ...]:
        """Ids of texts known and valid at `asof` that say the opposite of this one, sorted."""
        place = next(n for n, item in enumerate(self._items) if item.id == item_id)
        return tuple(
            sorted(
                item.id
                for n, item in enumerate(self._items[: self._prefix(asof)])
                if item.is_valid_at(asof) and self._opposite(place, n)
            )
        )

    def _channels(self, query: str, size: int) -> dict[str, Scores]:
        words = terms(query)
        channels = {
            "turn": self._turn.scores(words, size),
            "context": self._context.scores(words, size),
            "entities": self._entities.scores(sorted(entities(query)), size),
        }
        if self._embedder is not None:
            vector = self._embedder.embed([query])[0]
            # Row by row, so that no row rounds otherwise for the rows beside it, as it may in BLAS.
            channels["dense"] = (self._vectors[:size] * vector).sum(axis=1, dtype=np.float64)
        return {name: scores for name, scores in channels.items() if self._weights[name] > 0.0}

    def _grouped(self, candidates: Sequence[tuple[int, float]], k: int) -> list[_Group]:
        groups: list[_Group] = []
        for place, score in candidates:
            same = next((g for g in groups if self._same(g, place)), None)
            if same is not None:
                same.places.append(place)
                same.best = max(same.best, place, key=self._standing)
            elif len(groups) < k:
                groups.append(_Group(place, score, [place]))
        for group in groups:
            group.contested = [place for place, _ in candidates if self._opposite(group.best, place)]
        return groups

    def _same(self, group: _Group, place: int) -> bool:
        least = self._settings.merge_overlap
        return any(
            self._items[place].aspects == self._items[other].aspects
            and self._claims[place].says_the_same(self._claims[other], least)
            for other in group.places
        )

    def _opposite(self, place: int, other: int) -> bool:
        return self._items[place].aspects.apply_to(self._items[other].aspects) and self._claims[
            place
        ].contradicts(self._claims[other], self._settings.contradiction_overlap)

    def _standing(self, place: int) -> tuple[float, int, str]:
        item = self._items[place]
        return item.trust, item.known_at, item.id

    def _hit(self, group: _Group, channels: Mapping[str, Scores], raw: Mapping[int, int]) -> Hit:
        n = raw[group.best]
        return Hit(
            item=self._items[group.best],
            score=group.score,
            channels={name: float(scores[n]) for name, scores in channels.items()},
            merged=tuple(sorted(self._items[p].id for p in group.places if p != group.best)),
            contested_by=tuple(sorted(self._items[p].id for p in group.contested)),
        )

    def _prefix(self, asof: int) -> int:
        return bisect_right(self._items, asof, key=lambda item: item.known_at)

    def _rebuild(self, items: Sequence[TextItem]) -> None:
        k1, b = self._settings.k1, self._settings.b
        self._items: list[TextItem] = []
        self._ids: set[str] = set()
        self._claims: list[Claim] = []
        self._turn, self._context = Bm25(k1, b), Bm25(k1, b)
        # A thing named twice is not named more, and a text is no worse for naming many.
        self._entities = Bm25(k1, 0.0)
        dim = 0 if self._embedder is None else self._embedder.dim
        self._vectors: npt.NDArray[np.float32] = np.empty((0, dim), dtype=np.float32)
        if self._embedder is not None and items:
            self._vectors = self._embedder.embed([item.text for item in items])
        for item in items:
            self._append(item, embed=False)

    def _append(self, item: TextItem, embed: bool = True) -> None:
        if item.id in self._ids:
            raise ValueError(f"text {item.id!r} is in the index already")
        if self._embedder is not None and embed:
            self._vectors = np.concatenate([self._vectors, self._embedder.embed([item.text])])
        around = f"{item.context} {item.text}" if item.context else item.text
        self._turn.append(terms(item.text))
        self._context.append(terms(around))
        self._entities.append(sorted(entities(item.text)))
        self._claims.append(Claim.of(item.text))
        self._items.append(item)
        self._ids.add(item.id)


def _weights(settings: TextSettings) -> tuple[float, ...]:
    return settings.turn_weight, settings.context_weight, settings.entity_weight, settings.dense_weight


def _key(item: TextItem) -> tuple[int, str]:
    return item.known_at, item.id


def _agree(own: str | None, asked: str | None) -> bool:
    return own is None or asked is None or own == asked
