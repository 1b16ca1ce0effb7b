"""Taught notes in a whole session: seen from when they are known, by prompts, the same in every run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from agent_market.config import AgentMarketSettings, DecisionSettings, MemorySettings, TextSettings
from agent_market.errors import StoreError
from agent_market.memory import episodic, lessons
from agent_market.memory.bitemporal import Times
from agent_market.memory.note_store import AuditEntry, NoteStore, forget_episode
from agent_market.memory.notes import Note
from agent_market.records import Episode
from agent_market.store.database import Database
from agent_market.store.episodes import episodes_of
from tests.helpers.scripted import ScriptedAnswers, candle_arrays, make_session, part, random_candles, rows_of

HOURS, FIRST, TAUGHT = 640, 450, 550
ORIGIN = datetime(2024, 1, 1, tzinfo=UTC)
KNOWN = ORIGIN + timedelta(hours=TAUGHT)
NOTE = Note(
    "In calm or wild markets, chop or trend, up or down: patience pays", "ann", Times(KNOWN, KNOWN, KNOWN)
)
CANDLES = random_candles(11, HOURS)


def settings(lessons: int = 3) -> AgentMarketSettings:
    return AgentMarketSettings(
        decision=DecisionSettings(cadence_candles=6, horizon_candles=4, gate_min_candles=2),
        memory=MemorySettings(k=4, k_max=6, min_neighbours=3, text=TextSettings(lessons=lessons)),
    )


def walk(database: Database, cuts: tuple[int, ...] = (), lessons: int = 3) -> tuple[Episode, ...]:
    rows, arrays = rows_of(CANDLES), candle_arrays(CANDLES)
    session = make_session(database, settings(lessons))
    session.rewind(ORIGIN + timedelta(hours=FIRST))
    edges = [FIRST, *cuts, HOURS]
    for start, stop in pairwise(edges):
        session.advance(part(rows, start, stop), arrays)
    return episodes_of(database, "test")


def open_at(folder: Path, name: str) -> Database:
    return Database(f"sqlite:///{folder}/{name}.sqlite")


def said(episode: Episode) -> list[tuple[float, float]]:
    """A digest of what each agent was shown, as scripted agents answer it."""
    return [(view.depth, view.confidence) for view in episode.views]


def decided(episodes: tuple[Episode, ...], before: datetime) -> list[object]:
    return [(e.view, e.recall, e.views, e.decision) for e in episodes if e.view.asof < before]


def test_a_note_is_seen_from_when_it_is_known_and_changes_what_agents_say(tmp_path: Path) -> None:
    plain = walk(open_at(tmp_path, "plain"))
    taught_store = open_at(tmp_path, "taught")
    NoteStore(taught_store).teach(NOTE, AuditEntry("ann", KNOWN))
    taught = walk(taught_store)
    assert decided(taught, KNOWN) == decided(plain, KNOWN)
    later = [(a, b) for a, b in zip(plain, taught, strict=False) if b.view.asof >= KNOWN]
    assert later
    assert all([lesson.id for lesson in b.recall.lessons] == [NOTE.id] for _, b in later)
    assert all(said(a) != said(b) for a, b in later)


def test_windows_and_a_second_run_change_nothing(tmp_path: Path) -> None:
    stores = [open_at(tmp_path, name) for name in "ab"]
    for store in stores:
        NoteStore(store).teach(NOTE, AuditEntry("ann", KNOWN))
    assert walk(stores[0]) == walk(stores[1], cuts=(500, 551, 600))
    again = open_at(tmp_path, "a")
    session = make_session(again, settings(), answers=(answers := ScriptedAnswers()))
    session.rewind(ORIGIN + timedelta(hours=HOURS))
    assert answers.asked == 0
    assert episodes_of(again, "test") == walk(stores[1])


def test_without_lessons_in_the_settings_a_note_changes_nothing(tmp_path: Path) -> None:
    store = open_at(tmp_path, "off")
    NoteStore(store).teach(NOTE, AuditEntry("ann", KNOWN))
    assert walk(store, lessons=0) == walk(open_at(tmp_path, "plain"), lessons=0)


def test_a_running_session_follows_what_is_taught_and_forgotten(tmp_path: Path) -> None:
    store = open_at(tmp_path, "live")
    rows, arrays = rows_of(CANDLES), candle_arrays(CANDLES)
    session = make_session(store, settings())
    session.rewind(ORIGIN + timedelta(hours=FIRST))
    session.advance(part(rows, FIRST, TAUGHT), arrays)
    recalled = [n.episode_id for e in episodes_of(store, "test") for n in e.recall.neighbours]
    gone = max(set(recalled), key=recalled.count)
    forget_episode(store, "test", gone, AuditEntry("ann", KNOWN))
    NoteStore(store).teach(NOTE, AuditEntry("ann", KNOWN))
    before = session.columns(part(rows, FIRST, TAUGHT).closes_s)
    later = session.advance(part(rows, TAUGHT, HOURS), arrays)
    assert all(gone not in {n.episode_id for n in e.recall.neighbours} for e in later)
    assert all(e.recall.lessons for e in later)
    after = session.columns(part(rows, FIRST, TAUGHT).closes_s)
    assert after["fused_depth"].equals(before["fused_depth"])


@pytest.mark.parametrize(
    ("module", "reading"), [(episodic, "forgotten"), (episodic, "index_over"), (lessons, "pins")]
)
def test_what_was_taught_and_forgotten_while_the_store_was_locked_is_followed_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: object, reading: str
) -> None:
    store = open_at(tmp_path, "live")
    rows, arrays = rows_of(CANDLES), candle_arrays(CANDLES)
    session = make_session(store, settings())
    session.rewind(ORIGIN + timedelta(hours=FIRST))
    session.advance(part(rows, FIRST, TAUGHT), arrays)
    gone = episodes_of(store, "test")[0].id
    forget_episode(store, "test", gone, AuditEntry("ann", KNOWN))
    NoteStore(store).teach(NOTE, AuditEntry("ann", KNOWN))

    def locked(*_: object, **__: object) -> None:
        raise StoreError("the database is locked")

    with monkeypatch.context() as while_locked:
        while_locked.setattr(module, reading, locked)
        with pytest.raises(StoreError):
            session.advance(part(rows, TAUGHT, TAUGHT + 1), arrays)
    later = session.advance(part(rows, TAUGHT + 1, HOURS), arrays)
    assert later
    assert all([lesson.id for lesson in e.recall.lessons] == [NOTE.id] for e in later)
    assert all(e.recall.neighbours for e in later)
    assert all(gone not in {n.episode_id for n in e.recall.neighbours} for e in later)
    known = session._memory.settled(later[-1].view.asof)
    assert len(known) > 10
    assert gone not in {e.id for e in known}
