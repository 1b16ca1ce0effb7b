"""The lessons of a decision: taught notes that were known and apply, best first. The same in every run."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property

from agent_market.config import TextSettings
from agent_market.memory.note_store import NOTES, NoteStore, log_position, pinned_at, pins
from agent_market.memory.notes import Note
from agent_market.memory.state_text import situation
from agent_market.memory.text.embedder import open_embedder
from agent_market.memory.text.index import Aspects, TextIndex
from agent_market.records import Lesson, MarketView
from agent_market.store.database import Database


class LessonBook:
    """Finds the lessons for market views of one scope, as they stood at each view's `asof`.

    Notes that were pinned by then come first, newest before older; then notes that say something to the
    situation, by text recall.  A note with no words in common with the situation is left out.
    A book holds what was taught when it was made; `refreshed` gives the next one.  Not thread-safe.
    """

    def __init__(self, database: Database | None, scope: str, settings: TextSettings) -> None:
        """
        :param database: None = no notes, for example because no store exists yet.
        :raises StoreError: the store cannot be read.
        """
        self._database = database
        self._scope = scope
        self._settings = settings
        self._position = 0
        self._pins: dict[str, tuple[tuple[int, bool], ...]] = {}
        self._notes: dict[str, Note] = {}
        self._found: dict[tuple[str, Aspects, int], tuple[Lesson, ...]] = {}
        if database is not None and settings.lessons > 0:
            # The position first: what comes in between is found by the next refresh.
            self._position = log_position(database)
            self._notes = {note.id: note for note in NoteStore(database).all()}
            self._pins = pins(database, NOTES)

    @classmethod
    def of(
        cls,
        notes: Iterable[Note],
        scope: str,
        settings: TextSettings,
        pinned: Mapping[str, Sequence[tuple[int, bool]]] | None = None,
    ) -> LessonBook:
        """A book of these notes, without a store.

        :param pinned: what was pinned or no longer, as `notebook.pins` gives it.
        """
        book = cls(None, scope, settings)
        if settings.lessons > 0:
            book._notes = {note.id: note for note in sorted(notes, key=lambda n: (n.times.known, n.id))}
            book._pins = {note: tuple(log) for note, log in (pinned or {}).items()}
        return book

    def refreshed(self) -> LessonBook:
        """This book with what was taught, corrected, pinned or forgotten since; itself if nothing was.

        :raises StoreError: the store cannot be read.
        """
        if self._database is None or self._settings.lessons == 0:
            return self
        if log_position(self._database) == self._position:
            return self
        return LessonBook(self._database, self._scope, self._settings)

    def at(self, asof: datetime) -> tuple[Note, ...]:
        """The notes that are known and valid at `asof`, as they stood then, by (known, id).

        Pinned or not as of then, and without an end that lies later.
        """
        second = int(asof.timestamp())
        return tuple(
            replace(
                note,
                pinned=self._pinned(note.id, second),
                times=replace(note.times, invalid_from=None),
            )
            for note in self._notes.values()
            if note.times.known <= asof and note.item().is_valid_at(second)
        )

    def digest(self, until: datetime | None = None) -> str:
        """Hash of what decisions up to `until` (None = any) may know of the notes; empty without any."""
        known = [n for n in self._notes.values() if until is None or n.times.known <= until]
        lines = "\n".join(self._line(note, until) for note in known)
        return hashlib.sha256(lines.encode()).hexdigest()[:16] if known else ""

    def _line(self, note: Note, until: datetime | None) -> str:
        times, log = note.times, self._pins.get(note.id, ())
        last = None if until is None else int(until.timestamp())
        ended = times.invalid_from
        if until is not None and ended is not None and ended > until:
            ended = None
        was = not log[0][1] if log else note.pinned
        pinned = [was, *(entry for entry in log if last is None or entry[0] <= last)]
        return f"{note.digest}|{times.known}|{times.valid_from}|{ended}|{pinned}|{note.trust}"

    @cached_property
    def _index(self) -> TextIndex | None:
        items = [note.item() for note in self._notes.values()]
        if not items:
            return None
        embedder = None if self._database is None else open_embedder(self._settings.embedder, self._database)
        return TextIndex(self._settings, embedder, items)

    @cached_property
    def _moments(self) -> list[int]:
        """When a note or a pin begins or ends, in order."""
        items = [note.item() for note in self._notes.values()]
        moments = {t for i in items for t in (i.known_at, i.valid_from, i.invalid_from) if t is not None}
        return sorted(moments.union(at for log in self._pins.values() for at, _ in log))

    def about(self, view: MarketView) -> tuple[Lesson, ...]:
        """At most `settings.lessons` lessons for a decision on `view`, best first.

        :raises ConfigError: the embedder of the settings cannot be loaded.
        """
        if self._index is None:
            return ()
        asof = int(view.asof.timestamp())
        # Between two moments at which a note or a pin begins or ends, equal questions have equal answers.
        key = (
            situation(view),
            Aspects(view.pair, view.regime, self._scope),
            bisect_right(self._moments, asof),
        )
        if key not in self._found:
            self._found[key] = self._look_up(self._index, key[0], asof, key[1])
        return self._found[key]

    def _look_up(self, index: TextIndex, query: str, asof: int, aspects: Aspects) -> tuple[Lesson, ...]:
        most = self._settings.lessons
        applying = [item for item in index.known(asof) if item.aspects.apply_to(aspects)]
        pinned = [item.id for item in reversed(applying) if self._pinned(item.id, asof)][:most]
        found = [hit.item.id for hit in index.search(query, asof, most + len(pinned), aspects)]
        ids = [*pinned, *(note_id for note_id in found if note_id not in pinned)][:most]
        return tuple(self._lesson(note_id, index, asof) for note_id in ids)

    def _pinned(self, note_id: str, asof: int) -> bool:
        return pinned_at(self._pins.get(note_id, ()), asof, now=self._notes[note_id].pinned)

    def _lesson(self, note_id: str, index: TextIndex, asof: int) -> Lesson:
        note = self._notes[note_id]
        contested = bool(index.contradicting(note_id, asof))
        return Lesson(note_id, note.times.known, contested, text=note.text)
