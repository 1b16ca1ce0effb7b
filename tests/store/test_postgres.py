"""The whole store on a PostgreSQL server."""

from __future__ import annotations

import subprocess
import sys

import pytest

from agent_market.config import MemorySettings, TextSettings
from agent_market.memory.bitemporal import Times
from agent_market.memory.episodic import EpisodicMemory
from agent_market.memory.graph.graph_store import edges_at
from agent_market.memory.graph.job import discover
from agent_market.memory.lessons import LessonBook
from agent_market.memory.note_store import AuditEntry, NoteStore, forget_episode, log_lines
from agent_market.memory.notes import Note
from agent_market.memory.rejections import refusal_counts
from agent_market.store.backup import compact
from agent_market.store.database import Database
from agent_market.store.episodes import episodes_of, write_episodes
from agent_market.store.text_vectors import read_vectors, write_vectors
from tests.helpers.episode_makers import PAIR, SCOPE, a_view, an_episode, an_outcome, at

HAND = AuditEntry("ann", at(40))


OPEN = """
import sys
from agent_market.store.database import Database
print("ready", flush=True)
sys.stdin.readline()
Database(sys.argv[1]).close()
"""


def test_processes_that_start_at_once_on_an_empty_server_all_open_it(empty_postgres: str) -> None:
    command = [sys.executable, "-c", OPEN, empty_postgres]
    pipe = subprocess.PIPE
    bots = [subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) for _ in range(3)]
    for bot in bots:
        assert bot.stdout is not None
        assert bot.stdout.readline() == "ready\n"
    for bot in bots:
        assert bot.stdin is not None
        bot.stdin.write("\n")
        bot.stdin.flush()
    said = [bot.communicate()[1] for bot in bots]
    assert [bot.returncode for bot in bots] == [0, 0, 0], said


def test_memory_on_a_server(empty_postgres: str) -> None:
    database = Database(empty_postgres)
    memory = EpisodicMemory(database, SCOPE, PAIR, MemorySettings())
    memory.remember(an_episode(0))
    memory.flush()
    memory.settle(memory.unsettled()[0], an_outcome(12))
    memory.flush()
    write_episodes(database, [an_episode(0)])
    assert episodes_of(database, SCOPE) == (an_episode(0, outcome=an_outcome(12)),)
    forget_episode(database, SCOPE, f"{PAIR}@0", HAND)
    memory.refresh(at(50))
    assert memory.recall(a_view(50)).neighbours == ()

    note = Note("Calm chop favours patience over action", "ann", Times(at(1), at(1), at(1)))
    book = NoteStore(database)
    assert book.teach(note, HAND) is None
    assert [book.teach(note, HAND).rule for _ in range(2)] == ["duplicate"] * 2  # type: ignore[union-attr]
    assert refusal_counts(database)[0].count == 2
    assert len(LessonBook(database, SCOPE, TextSettings()).about(a_view(9))) == 1
    assert [line.action for line in log_lines(database)] == ["forget", "teach"]

    write_vectors(database, "m", {"d": pytest.importorskip("numpy").ones(3, dtype="float32")})
    assert read_vectors(database, "m", ["d", "e"])["d"].tolist() == [1.0, 1.0, 1.0]
    assert discover(database, SCOPE, {}, at(50)) == {}
    assert edges_at(database, at(50)) == ()
    before, after = compact(database)
    assert before > 0
    assert after > 0
    database.close()
