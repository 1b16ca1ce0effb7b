"""The lessons of a decision: taught notes that were known and apply, best first. The same in every run."""

from __future__ import annotations

from bisect import bisect_right

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
    situation, by text recall.  A note with no words in common with the situation is no lesson for it.
    Not thread-safe.
    """

    def __init__(self, database: Database, scope: str, settings: TextSettings) -> None:
        """:raises ConfigError: the embedder of the settings cannot be loaded."""
        self._database = database
        self._scope = scope
        self._settings = settings
        self._position = -1
        self._index: TextIndex | None = None
        self.refresh()

    def refresh(self) -> None:
        """Take in what was taught, corrected, pinned or forgotten since the last call."""
        if self._settings.lessons == 0:
            return
        position = log_position(self._database)
        if position == self._position:
            return
        notes = NoteStore(self._database).all()
        self._pins = pins(self._database, NOTES)
        self._notes: dict[str, Note] = {note.id: note for note in notes}
        self._found: dict[tuple[str, Aspects, int], tuple[Lesson, ...]] = {}
        items = [note.item() for note in notes]
        self._index = (
            TextIndex(self._settings, open_embedder(self._settings.embedder, self._database), items)
            if items
            else None
        )
        moments = {t for i in items for t in (i.known_at, i.valid_from, i.invalid_from) if t is not None}
        self._moments = sorted(moments.union(at for log in self._pins.values() for at, _ in log))
        self._position = position

    def at(self, view: MarketView) -> tuple[Lesson, ...]:
        """At most `settings.lessons` lessons for a decision on `view`, best first."""
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
