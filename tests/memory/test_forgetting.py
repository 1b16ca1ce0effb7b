"""What a human forgot: not recalled, not learned from, and still on record."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from episode_makers import PAIR, SCOPE, a_view, an_episode, an_outcome, at

from agent_market.config import MemorySettings, TextSettings
from agent_market.memory.episodic import EpisodicMemory
from agent_market.memory.notebook import Hand, forget_episode
from agent_market.store.database import Database
from agent_market.store.episodes import write_episodes

NOW = Hand("ann", at(500), "a bad print")


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
