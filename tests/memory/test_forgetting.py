"""What a human forgot: not recalled, not learned from, and still on record."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_market.config import MemorySettings, TextSettings
from agent_market.errors import StoreError
from agent_market.memory import episodic, lessons
from agent_market.memory.bitemporal import Times
from agent_market.memory.episodic import EpisodicMemory
from agent_market.memory.lessons import LessonBook
from agent_market.memory.note_store import AuditEntry, NoteStore, forget_episode
from agent_market.memory.notes import Note
from agent_market.store.database import Database
from agent_market.store.episodes import write_episodes
from tests.helpers.episode_makers import PAIR, SCOPE, a_view, an_episode, an_outcome, at

NOW = AuditEntry("ann", at(500), "a bad print")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path}/store.sqlite")
    write_episodes(opened, [an_episode(n, (float(n), 0.0), outcome=an_outcome(n + 12)) for n in range(3)])
    write_episodes(opened, [an_episode(30, (9.0, 0.0))])
    yield opened
    opened.close()


def recalled(memory: EpisodicMemory) -> list[str]:
    return [neighbour.episode_id for neighbour in memory.recall(a_view(100, (0.0, 0.0))).neighbours]


def test_a_forgotten_episode_leaves_the_index_of_a_running_memory(database: Database) -> None:
    memory = EpisodicMemory(database, SCOPE, PAIR, MemorySettings())
    memory.load(at(99))
    assert recalled(memory) == [f"{PAIR}@0", f"{PAIR}@1", f"{PAIR}@2"]
    forget_episode(database, SCOPE, f"{PAIR}@1", NOW)
    memory.refresh(at(99))
    assert recalled(memory) == [f"{PAIR}@0", f"{PAIR}@2"]
    assert [e.id for e in memory.settled(at(99))] == [f"{PAIR}@0", f"{PAIR}@2"]
    assert [e.id for e in memory.decided()] == [f"{PAIR}@{n}" for n in (0, 1, 2, 30)]


def test_an_outcome_that_comes_later_makes_no_memory_of_what_was_forgotten(database: Database) -> None:
    forget_episode(database, SCOPE, f"{PAIR}@30", NOW)
    memory = EpisodicMemory(database, SCOPE, PAIR, MemorySettings())
    memory.load(at(99))
    (unsettled,) = memory.unsettled()
    memory.settle(unsettled, an_outcome(42))
    memory.flush()
    assert f"{PAIR}@30" not in recalled(memory)
    assert memory.decided()[-1].outcome == an_outcome(42)
    again = EpisodicMemory(database, SCOPE, PAIR, MemorySettings())
    again.load(at(99))
    assert again.decided() == memory.decided()
    assert f"{PAIR}@30" not in recalled(again)


def test_what_others_do_to_memory_loads_nothing_anew(database: Database) -> None:
    memory = EpisodicMemory(database, SCOPE, PAIR, MemorySettings())
    memory.load(at(99))
    index = memory._index
    forget_episode(database, SCOPE, f"{PAIR}@1", NOW)
    other = EpisodicMemory(database, "another", PAIR, MemorySettings())
    other.load(at(99))
    held = other._index
    other.refresh(at(99))
    assert other._index is held
    memory.refresh(at(99))
    assert memory._index is not index


def test_recalled_cases_are_told_in_one_line_unless_switched_off(database: Database) -> None:
    for on in (True, False):
        memory = EpisodicMemory(database, SCOPE, PAIR, MemorySettings(text=TextSettings(case_lines=on)))
        memory.load(at(99))
        lines = {neighbour.line for neighbour in memory.recall(a_view(100, (0.0, 0.0))).neighbours}
        told = "chop-calm +1.0, +1.0% +0.0%"
        assert lines == ({told} if on else {""})


@pytest.mark.parametrize("broken", ["forgotten", "read_episodes", "index_over"])
def test_a_store_that_fails_meanwhile_leaves_the_memory_whole_and_it_is_followed_later(
    database: Database, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    memory = EpisodicMemory(database, SCOPE, PAIR, MemorySettings())
    memory.load(at(99))
    forget_episode(database, SCOPE, f"{PAIR}@1", NOW)

    def fail(*_: object) -> None:
        raise StoreError("the server went away")

    with monkeypatch.context() as patch:
        patch.setattr(episodic, broken, fail)
        with pytest.raises(StoreError, match="went away"):
            memory.refresh(at(99))
    assert len(memory.settled(at(99))) == 3
    memory.refresh(at(99))
    assert [e.id for e in memory.settled(at(99))] == [f"{PAIR}@0", f"{PAIR}@2"]


def test_lessons_are_read_again_after_the_store_failed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = LessonBook(database, SCOPE, TextSettings())
    words = "In a calm chop, mean reversion works"
    NoteStore(database).teach(Note(words, "ann", Times(at(1), at(1), at(1))), AuditEntry("ann", at(1)))

    def fail(*_: object) -> None:
        raise StoreError("the server went away")

    with monkeypatch.context() as patch:
        patch.setattr(lessons, "pins", fail)
        with pytest.raises(StoreError, match="went away"):
            book.refreshed()
    book = book.refreshed()
    assert [lesson.text for lesson in book.about(a_view(9))] == [words]
