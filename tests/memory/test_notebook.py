"""Teaching, correcting, pinning, forgetting: with author and date, and out of the index when deleted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from agent_market.config import TextSettings
from agent_market.errors import DataError
from agent_market.memory.bitemporal import Times
from agent_market.memory.lessons import LessonBook
from agent_market.memory.note_store import (
    AuditEntry,
    LogLine,
    NoteStore,
    forget_episode,
    forgotten,
    log_lines,
    log_position,
)
from agent_market.memory.notes import Note
from agent_market.memory.rejections import refusal_counts
from agent_market.memory.text.index import Aspects
from agent_market.memory.text.stance import content_key
from agent_market.records import Lesson, MarketView
from agent_market.store.database import Database
from agent_market.store.episodes import write_episodes
from agent_market.store.text_vectors import read_vectors, write_vectors
from tests.helpers.episode_makers import SCOPE, a_view, an_episode, an_outcome, at

ANN, BOB = AuditEntry("ann", at(1), "seen it twice"), AuditEntry("bob", at(30), "wrong since the fee change")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path}/store.sqlite")
    yield opened
    opened.close()


def note(text: str, known: datetime = at(1), **changes: object) -> Note:
    return Note(text, "ann", Times(known, known, known), **changes)  # type: ignore[arg-type]


def lessons(database: Database, view: MarketView, most: int = 3) -> list[str]:
    return [lesson.text for lesson in LessonBook(database, SCOPE, TextSettings(lessons=most)).about(view)]


CALM = "In a calm chop, mean reversion works"
LONG = "After three red candles on thin volume beside calm funding the fourth candle often rises further"


def test_a_taught_note_reaches_decisions_from_when_it_is_known(database: Database) -> None:
    assert NoteStore(database).teach(note(CALM, at(5)), ANN) is None
    assert lessons(database, a_view(4)) == []
    assert lessons(database, a_view(5)) == [CALM]
    assert lessons(database, a_view(5), most=0) == []
    book = LessonBook(database, SCOPE, TextSettings())
    assert book.about(a_view(5)) == (Lesson(note(CALM).id, at(5)),)


def test_a_note_that_had_ended_is_not_prolonged_by_a_later_correction(database: Database) -> None:
    book = NoteStore(database)
    held = note(CALM, at(1))
    book.teach(held, ANN)
    assert book.correct(held.id, note("In a calm chop, patience pays more than action", at(10)), ANN) is None
    assert lessons(database, a_view(15)) == ["In a calm chop, patience pays more than action"]
    assert book.correct(held.id, note("In a calm chop, spreads eat whatever is made", at(20)), BOB) is None
    assert lessons(database, a_view(15)) == ["In a calm chop, patience pays more than action"]
    assert CALM not in lessons(database, a_view(25))


@pytest.mark.parametrize("pinned", [True, False])
def test_a_note_that_is_taught_again_is_pinned_as_it_is_taught(database: Database, pinned: bool) -> None:
    book = NoteStore(database)
    first = note(CALM, at(1), pinned=pinned)
    book.teach(first, ANN)
    book.pin(first.id, replace(ANN, at=at(2)), not pinned)
    book.forget(first.id, replace(ANN, at=at(3)))
    book.teach(note(CALM, at(4), pinned=pinned), replace(ANN, at=at(4)))
    newer = "Calm chop punishes hurry"
    book.teach(note(newer, at(5), pinned=not pinned), replace(ANN, at=at(5)))
    assert lessons(database, a_view(9), most=1) == [CALM if pinned else newer]


def test_a_note_with_nothing_to_say_to_the_situation_is_no_lesson(database: Database) -> None:
    NoteStore(database).teach(note("Halvings are followed by droughts of supply"), ANN)
    assert lessons(database, a_view(9)) == []


def test_notes_apply_where_their_aspects_say(database: Database) -> None:
    book = NoteStore(database)
    book.teach(note("Calm chop suits grids here", aspects=Aspects(pair="BTC/USDT")), ANN)
    book.teach(note("Calm chop suits patience there", aspects=Aspects(pair="ETH/USDT")), ANN)
    book.teach(note("Calm chop is deceiving elsewhere", aspects=Aspects(strategy="another run")), ANN)
    assert lessons(database, a_view(9)) == ["Calm chop suits grids here"]
    assert lessons(database, a_view(9, pair="ETH/USDT")) == ["Calm chop suits patience there"]


def test_a_pinned_note_comes_first_wherever_it_applies(database: Database) -> None:
    book = NoteStore(database)
    always = note("Never risk more than planned, whatever happens")
    book.teach(always, ANN)
    book.teach(note(CALM), ANN)
    book.pin(always.id, BOB)
    assert lessons(database, a_view(30)) == [always.text, CALM]
    assert lessons(database, a_view(30), most=1) == [always.text]
    assert lessons(database, a_view(29)) == [CALM], "it was pinned later"
    book.pin(always.id, replace(BOB, at=at(40)), pinned=False)
    assert lessons(database, a_view(39)) == [always.text, CALM]
    assert lessons(database, a_view(40)) == [CALM]


def test_a_note_taught_as_pinned_is_so_until_it_is_no_longer(database: Database) -> None:
    book = NoteStore(database)
    always = note("Never risk more than planned, whatever happens", pinned=True)
    book.teach(always, ANN)
    assert lessons(database, a_view(9)) == [always.text]
    book.pin(always.id, BOB, pinned=False)
    assert (lessons(database, a_view(29)), lessons(database, a_view(30))) == ([always.text], [])


def test_taking_away_a_pin_that_is_not_there_changes_nothing(database: Database) -> None:
    book = NoteStore(database)
    plain = note("Never risk more than planned, whatever happens")
    book.teach(plain, ANN)
    position = log_position(database)
    book.pin(plain.id, BOB, pinned=False)
    assert lessons(database, a_view(9)) == []
    assert log_position(database) == position


def test_a_correction_holds_from_when_it_is_known_and_the_past_keeps_what_it_knew(database: Database) -> None:
    book = NoteStore(database)
    old = note(CALM, at(5))
    book.teach(old, ANN)
    new = note("In a calm chop, mean reversion costs more than it earns", at(30), corrects=old.id)
    assert book.correct(old.id, new, BOB) is None
    assert lessons(database, a_view(29)) == [old.text]
    assert lessons(database, a_view(30)) == [new.text]
    assert book.get(old.id).times.invalid_from == at(30)
    with pytest.raises(DataError, match="set a later --known-at"):
        book.correct(new.id, note("In a calm chop nothing earns at all", at(30)), BOB)


def test_contradicting_notes_are_both_shown_and_marked(database: Database) -> None:
    book = NoteStore(database)
    book.teach(note(CALM), ANN)
    book.teach(note("In a calm chop, mean reversion never works", at(8)), BOB)
    found = LessonBook(database, SCOPE, TextSettings()).about(a_view(9))
    assert [lesson.contested for lesson in found] == [True, True]
    assert [lesson.contested for lesson in LessonBook(database, SCOPE, TextSettings()).about(a_view(7))] == [
        False
    ]


def test_a_forgotten_note_leaves_words_vectors_and_the_open_book(database: Database) -> None:
    book, known = NoteStore(database), note(CALM)
    book.teach(known, ANN)
    write_vectors(database, "some-model", {content_key(CALM): np.ones(2, dtype=np.float32)})
    open_book = LessonBook(database, SCOPE, TextSettings())
    assert open_book.about(a_view(9))
    book.forget(known.id, BOB)
    open_book = open_book.refreshed()
    assert open_book.about(a_view(9)) == ()
    assert book.all() == ()
    assert read_vectors(database, "some-model", [content_key(CALM)]) == {}
    with database.begin() as connection:
        dump = "\n".join(connection.connection.driver_connection.iterdump())  # type: ignore[union-attr]
    assert "mean reversion" not in dump
    assert log_lines(database, known.id) == (
        LogLine(at(1), "teach", "", known.id, "ann", "seen it twice"),
        LogLine(at(30), "forget", "", known.id, "bob", "wrong since the fee change"),
    )
    with pytest.raises(DataError, match="no note"):
        book.forget(known.id, BOB)


def test_refused_notes_are_counted_and_change_nothing_else(database: Database) -> None:
    book = NoteStore(database)
    book.teach(note(CALM), ANN)
    book.teach(note(LONG), ANN)
    position = log_position(database)
    refused = [
        book.teach(note("in a CALM chop mean-reversion works!"), ANN),
        book.teach(note(f"{LONG} again"), ANN),
        book.teach(note("and the of"), ANN),
        book.teach(note("x " * 300), ANN),
        book.teach(note("and the of it"), ANN),
    ]
    rules = [refusal.rule for refusal in refused if refusal is not None]
    assert rules == ["duplicate", "near-duplicate", "empty", "too-long", "empty"]
    counts = {row.rule: row.count for row in refusal_counts(database)}
    assert counts == {"duplicate": 1, "near-duplicate": 1, "empty": 2, "too-long": 1}
    assert log_position(database) == position
    assert len(book.all()) == 2


def test_another_number_or_place_makes_another_note(database: Database) -> None:
    book = NoteStore(database)
    assert book.teach(note("Funding above 3 percent was followed by falling prices within days"), ANN) is None
    assert book.teach(note("Funding above 5 percent was followed by falling prices within days"), ANN) is None
    assert book.teach(note(CALM, aspects=Aspects(pair="BTC/USDT")), ANN) is None
    assert book.teach(note(CALM, aspects=Aspects(pair="ETH/USDT")), ANN) is None


def test_an_episode_is_forgotten_by_name_and_stays_on_record(database: Database) -> None:
    episode = an_episode(1, outcome=an_outcome(13))
    write_episodes(database, [episode])
    forget_episode(database, SCOPE, episode.id, BOB)
    assert forgotten(database, SCOPE) == {episode.id: at(30)}
    write_episodes(database, [episode])
    assert forgotten(database, SCOPE) == {episode.id: at(30)}
    write_episodes(database, [replace(episode, verdict=replace(episode.verdict, depth=0.5))])
    assert forgotten(database, SCOPE) == {}
    with pytest.raises(DataError, match="no episode 'x'"):
        forget_episode(database, SCOPE, "x", BOB)
