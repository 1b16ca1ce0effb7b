"""Notes, what humans did to memory, and which episodes they forgot.

Everything that changes memory writes one line of the log in the same transaction: who, when, what, why.
Forgetting a note deletes its words and their vectors; the log keeps its id.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from agent_market.errors import DataError
from agent_market.memory.bitemporal import Times
from agent_market.memory.gates import NoteFilter, Refusal
from agent_market.memory.notes import Note
from agent_market.memory.rejections import count_refusal
from agent_market.memory.text.index import Aspects
from agent_market.memory.text.stance import content_key
from agent_market.store.database import Database
from agent_market.store.episode_json import moment, seconds
from agent_market.store.schema import episodes, memory_log, notes, text_vectors

NOTES = ""
"""The log's scope of notes; episodes have theirs."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One thing that was done to memory. `scope` is empty for notes."""

    at: datetime
    action: str
    scope: str
    subject: str
    author: str
    reason: str


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who acts, when (wall clock), and why."""

    author: str
    at: datetime
    reason: str = ""


class NoteStore:
    """The notes of one database. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def teach(self, note: Note, hand: AuditEntry) -> Refusal | None:
        """Take a note in.

        :returns: why it was refused (counted, nothing else changed), or None.
        """
        with self._database.begin() as connection:
            refused = NoteFilter(_read(connection)).refusal(note)
            if refused is None:
                connection.execute(insert(notes).values(_row(note, hand)))
                _log(connection, hand, "teach", note.id)
        if refused is not None:
            count_refusal(self._database, NOTES, refused, hand.at)
        return refused

    def correct(self, note_id: str, note: Note, hand: AuditEntry) -> Refusal | None:
        """Replace a note: the old one is invalid from when the new one is known, and stays for earlier times.

        One that ended before that stays ended.

        :raises DataError: there is no note `note_id`, or the correction was known before it.
        """
        old = self.get(note_id)
        if note.id == note_id:
            raise DataError(
                f"the correction of note {note_id} has the same text; pin or forget the note instead"
            )
        if note.times.known <= old.times.known:
            raise DataError(
                f"note {note_id} is known from {old.times.known}, its correction from {note.times.known}; "
                "set a later --known-at for the correction"
            )
        with self._database.begin() as connection:
            refused = NoteFilter(_read(connection)).refusal(note)
            if refused is None:
                known, ended = note.times.known, old.times.invalid_from
                ends = seconds(known if ended is None else min(known, ended))
                connection.execute(update(notes).where(notes.c.id == note_id).values(invalid_from=ends))
                connection.execute(insert(notes).values(_row(note, hand)))
                _log(connection, hand, "correct", note_id)
        if refused is not None:
            count_refusal(self._database, NOTES, refused, hand.at)
        return refused

    def pin(self, note_id: str, hand: AuditEntry, pinned: bool = True) -> None:
        """Put a note before all others that apply (or no longer). What is so already is not logged.

        :raises DataError: there is no such note.
        """
        if self.get(note_id).pinned == pinned:
            return
        with self._database.begin() as connection:
            connection.execute(update(notes).where(notes.c.id == note_id).values(pinned=pinned))
            _log(connection, hand, "pin" if pinned else "unpin", note_id)

    def forget(self, note_id: str, hand: AuditEntry) -> None:
        """Delete a note's words and vectors; the log keeps that it was there.

        :raises DataError: there is no such note.
        """
        note = self.get(note_id)
        with self._database.begin() as connection:
            connection.execute(delete(notes).where(notes.c.id == note_id))
            connection.execute(delete(text_vectors).where(text_vectors.c.digest == content_key(note.text)))
            _log(connection, hand, "forget", note_id)

    def get(self, note_id: str) -> Note:
        """:raises DataError: there is no such note."""
        with self._database.begin() as connection:
            row = connection.execute(select(notes).where(notes.c.id == note_id)).one_or_none()
        if row is None:
            raise DataError(
                f"no note {note_id!r}; `agent-market memory show` lists them, and an episode needs --scope"
            )
        return _note(row)

    def all(self) -> tuple[Note, ...]:
        """Every note, ended ones too, ordered by (known, id)."""
        with self._database.begin() as connection:
            return tuple(_read(connection))


def forget_episode(database: Database, scope: str, episode_id: str, hand: AuditEntry) -> None:
    """Leave an episode out of every recall from now on; the decision itself stays on record.

    :raises DataError: there is no such episode.
    """
    with database.begin() as connection:
        found = connection.execute(
            update(episodes)
            .where(episodes.c.scope == scope, episodes.c.id == episode_id)
            .values(invalid_from=seconds(hand.at))
        )
        if found.rowcount == 0:
            raise _no_episode(episode_id, scope)
        _log(connection, hand, "forget", episode_id, scope)


def pin_episode(
    database: Database, scope: str, episode_id: str, hand: AuditEntry, pinned: bool = True
) -> None:
    """Keep an episode from being forgotten as its importance decays, from now on (or no longer).

    What is so already is no change, nor logged.

    :raises DataError: there is no such episode.
    """
    with database.begin() as connection:
        query = select(episodes.c.id).where(episodes.c.scope == scope, episodes.c.id == episode_id)
        if connection.scalar(query) is None:
            raise _no_episode(episode_id, scope)
    log = pins(database, scope).get(episode_id, ())
    if (bool(log) and log[-1][1]) == pinned:
        return
    with database.begin() as connection:
        _log(connection, hand, "pin" if pinned else "unpin", episode_id, scope)


def pins(database: Database, scope: str) -> dict[str, tuple[tuple[int, bool], ...]]:
    """What was pinned or no longer: by id when (seconds since the epoch), and whether it was; in that order.

    :param scope: whose episodes; `NOTES` = notes. A note that was taught as pinned has no entry for that, and
        one that was forgotten, and taught again, none for what was done before.
    """
    query = (
        select(memory_log.c.subject, memory_log.c.at, memory_log.c.action)
        .where(memory_log.c.scope == scope, memory_log.c.action.in_(("pin", "unpin", "forget")))
        .order_by(memory_log.c.at, memory_log.c.id)
    )
    found: dict[str, tuple[tuple[int, bool], ...]] = {}
    with database.begin() as connection:
        for row in connection.execute(query):
            if row.action == "forget":
                found.pop(row.subject, None)
                continue
            found[row.subject] = (*found.get(row.subject, ()), (row.at, row.action == "pin"))
    return found


def pinned_at(log: Sequence[tuple[int, bool]], asof: int, now: bool = False) -> bool:
    """Whether something was pinned at a moment.

    :param log: its entry of `pins`. :param now: whether it is, which decides where the log is empty.
    """
    state = not log[0][1] if log else now
    for at, on in log:
        if at <= asof:
            state = on
    return state


def forgotten(database: Database, scope: str, pair: str | None = None) -> dict[str, datetime]:
    """Ids of the episodes that humans forgot, with the wall clock of it."""
    query = select(episodes.c.id, episodes.c.invalid_from).where(
        episodes.c.scope == scope, episodes.c.invalid_from.is_not(None)
    )
    if pair is not None:
        query = query.where(episodes.c.pair == pair)
    with database.begin() as connection:
        return {row.id: moment(row.invalid_from) for row in connection.execute(query)}


def log_lines(database: Database, subject: str | None = None) -> tuple[LogLine, ...]:
    """The log, oldest first; of one note or episode, if given."""
    query = select(memory_log).order_by(memory_log.c.id)
    if subject is not None:
        query = query.where(memory_log.c.subject == subject)
    with database.begin() as connection:
        rows = connection.execute(query).all()
    return tuple(LogLine(moment(r.at), r.action, r.scope, r.subject, r.author, r.reason) for r in rows)


def log_position(database: Database) -> int:
    """A number that grows with everything humans do to memory; 0 before the first."""
    with database.begin() as connection:
        return connection.scalar(select(func.max(memory_log.c.id))) or 0


def _no_episode(episode_id: str, scope: str) -> DataError:
    return DataError(f"no episode {episode_id!r} in scope {scope!r}; `agent-market decisions` lists them")


def _read(connection: Connection) -> list[Note]:
    rows = connection.execute(select(notes).order_by(notes.c.known_at, notes.c.id)).all()
    return [_note(row) for row in rows]


def _log(connection: Connection, hand: AuditEntry, action: str, subject: str, scope: str = NOTES) -> None:
    connection.execute(
        insert(memory_log).values(
            at=seconds(hand.at),
            action=action,
            scope=scope,
            subject=subject,
            author=hand.author,
            reason=hand.reason[:255],
        )
    )


def _row(note: Note, hand: AuditEntry) -> dict[str, Any]:
    times = note.times
    return {
        "id": note.id,
        "digest": note.digest,
        "text": note.text,
        "source": note.source,
        "author": note.author,
        "trust": note.trust,
        "pair": note.aspects.pair,
        "regime": note.aspects.regime,
        "strategy": note.aspects.strategy,
        "pinned": note.pinned,
        "event_at": seconds(times.event),
        "known_at": seconds(times.known),
        "valid_from": seconds(times.valid_from),
        "invalid_from": None if times.invalid_from is None else seconds(times.invalid_from),
        "corrects": note.corrects,
        "created_at": seconds(hand.at),
    }


def _note(row: Any) -> Note:
    return Note(
        text=row.text,
        author=row.author,
        times=Times(
            event=moment(row.event_at),
            known=moment(row.known_at),
            valid_from=moment(row.valid_from),
            invalid_from=None if row.invalid_from is None else moment(row.invalid_from),
        ),
        source=row.source,
        trust=row.trust,
        aspects=Aspects(row.pair, row.regime, row.strategy),
        pinned=row.pinned,
        corrects=row.corrects,
    )
