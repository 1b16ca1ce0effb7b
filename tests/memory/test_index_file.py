"""The index file agrees with the database, or is not used."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent_market.config import MemorySettings
from agent_market.errors import StoreError
from agent_market.memory import episodic
from agent_market.memory.episodic import EpisodicMemory
from agent_market.memory.index.file import index_folder, index_path, open_index, read_file, write_file
from agent_market.memory.index.vectors import PointInTimeVectors
from agent_market.memory.note_store import AuditEntry, forget_episode
from agent_market.store.backup import back_up, restore
from agent_market.store.database import Database
from agent_market.store.episodes import write_episodes
from agent_market.store.generations import STATE, generation_of
from agent_market.store.vectors import VectorRows, put_vectors
from tests.helpers.episode_makers import a_view, an_episode, an_outcome, at

KILLS = 200
PAIR = "BTC/USDT"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'store.sqlite'}")
    yield database
    database.close()


def opened(database: Database, folder: Path) -> PointInTimeVectors | None:
    return open_index(database, folder, "test", PAIR, STATE)


def fill(database: Database, count: int) -> None:
    write_episodes(
        database,
        [an_episode(n, state=(float(n), 1.0), outcome=an_outcome(n + 12)) for n in range(count)],
    )


def test_an_index_is_built_from_the_database_and_then_opened_from_its_file(
    database: Database, tmp_path: Path
) -> None:
    assert opened(database, tmp_path / "index") is None
    fill(database, 5)
    built = opened(database, tmp_path / "index")
    mapped = opened(database, tmp_path / "index")
    assert built is not None
    assert mapped is not None
    assert not mapped.vectors.flags.writeable
    for name in ("known_at", "keys", "vectors"):
        np.testing.assert_array_equal(getattr(mapped, name), getattr(built, name))
    assert mapped.keys.tolist() == [int(at(n).timestamp()) for n in range(5)]
    noon = int(at(14).timestamp())
    assert mapped.search([(9.0, 1.0)], [noon], 1)[1].tolist() == [[2]]


def test_what_has_been_written_since_is_in_the_next_opening(database: Database, tmp_path: Path) -> None:
    fill(database, 3)
    opened(database, tmp_path)
    write_episodes(database, [an_episode(1, state=(7.0, 7.0), outcome=an_outcome(13)), an_episode(50)])
    index = opened(database, tmp_path)
    assert index is not None
    assert index.vectors.tolist() == [[0.0, 1.0], [7.0, 7.0], [2.0, 1.0]], "and without what has no outcome"


@pytest.mark.parametrize("begun_anew", [True, False])
def test_the_file_of_a_former_store_is_not_used_for_the_one_in_its_place(
    tmp_path: Path, begun_anew: bool
) -> None:
    """Both were written to as often, and decided at the same times."""
    url = f"sqlite:///{tmp_path / 'store.sqlite'}"
    former = Database(url)
    fill(former, 3)
    copy = back_up(url, tmp_path / "copies", at(0))
    write_episodes(former, [an_episode(3, state=(3.0, 1.0), outcome=an_outcome(15))])
    assert recalled(former, state=(3.0, 1.0)) == ("BTC/USDT@3", 0.0)
    former.close()
    if begun_anew:
        (tmp_path / "store.sqlite").unlink()
    else:
        restore(url, copy, at(0))
    present = Database(url)
    if begun_anew:
        fill(present, 3)
    write_episodes(present, [an_episode(3, state=(9.0, 1.0), outcome=an_outcome(15))])
    assert recalled(present, state=(3.0, 1.0)) == ("BTC/USDT@2", 1.0)
    present.close()


def recalled(database: Database, state: tuple[float, float]) -> tuple[str, float]:
    """The nearest episode and its distance, recalled by a bot that has just started."""
    memory = EpisodicMemory(database, "test", PAIR, MemorySettings())
    memory.load(at(100))
    first = memory.recall(a_view(100, state=state)).neighbours[0]
    return first.episode_id, first.distance


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 400), flip=st.none() | st.integers(0, 10_000))
def test_a_torn_or_damaged_file_is_not_used(tmp_path: Path, cut: int, flip: int | None) -> None:
    rows = VectorRows(np.arange(8), np.arange(8), np.ones((8, 4), dtype=np.float32))
    path = tmp_path / "one.index"
    write_file(path, rows, generation=3)
    whole = path.read_bytes()
    assert len(whole) == 64 + 8 * (16 + 16)
    torn = bytearray(whole[:cut])
    if flip is not None and cut >= len(whole):
        at_byte = flip % len(whole)
        torn[at_byte] ^= 0x41
        if 36 <= at_byte < 64:  # padding of the header: nothing is kept there
            return
    path.write_bytes(torn)
    read = read_file(path, generation=3)
    assert (read is not None) == (bytes(torn) == whole)


def test_a_file_of_another_generation_is_not_used(tmp_path: Path) -> None:
    rows = VectorRows(np.arange(2), np.arange(2), np.ones((2, 4), dtype=np.float32))
    write_file(tmp_path / "a.index", rows, generation=3)
    assert read_file(tmp_path / "a.index", generation=4) is None
    assert read_file(tmp_path / "a.index", generation=3) is not None
    assert read_file(tmp_path / "b.index", generation=3) is None


def test_a_folder_that_cannot_be_written_costs_the_file_and_not_the_index(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fill(database, 2)
    (tmp_path / "index").write_text("in the way")
    index = opened(database, tmp_path / "index")
    assert index is not None
    assert len(index) == 2
    assert "without an index file" in caplog.text


def test_text_vectors_have_an_index_of_their_own(database: Database, tmp_path: Path) -> None:
    fill(database, 2)
    vector = np.array([1.0, 2.0, 3.0], dtype=np.float32)
    with database.begin() as connection:
        put_vectors(connection, "test", PAIR, "text/mini", [(0, 5, vector), (9, 3, 2 * vector)])
        first = generation_of(connection, "test", PAIR, "text/mini")
        put_vectors(connection, "test", PAIR, "text/mini", [(0, 6, 4 * vector)])
        assert generation_of(connection, "test", PAIR, "text/mini") > first > 0
        with pytest.raises(StoreError, match="written with their episodes"):
            put_vectors(connection, "test", PAIR, STATE, [(0, 5, vector)])
        with pytest.raises(StoreError, match="not finite"):
            put_vectors(connection, "test", PAIR, "text/mini", [(0, 5, vector * np.nan)])
    index = open_index(database, tmp_path, "test", PAIR, "text/mini")
    assert index is not None
    assert (index.known_at.tolist(), index.keys.tolist()) == ([3, 6], [9, 0])
    assert index.vectors.tolist() == [[2.0, 4.0, 6.0], [4.0, 8.0, 12.0]]
    assert index_path(tmp_path, "test", PAIR, "text/mini") != index_path(tmp_path, "test", PAIR, STATE)


def test_a_bot_that_starts_recalls_over_the_file_and_a_torn_file_changes_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.sqlite'}"
    database = Database(url)
    fill(database, 40)
    write_episodes(database, [an_episode(100, state=(0.5, 1.0))])

    def started() -> EpisodicMemory:
        memory = EpisodicMemory(database, "test", PAIR, MemorySettings())
        memory.load(at(10_000))
        return memory

    def answers(memory: EpisodicMemory) -> list[object]:
        return [memory.recall(a_view(n, (n / 7, 1.0))) for n in range(10, 300, 7)] + [memory.decided()]

    started()
    folder = index_folder(url)
    assert folder == tmp_path / "store.sqlite.index"
    (file,) = folder.iterdir()
    first = started()
    assert first._index is not None
    assert not first._index.rows.vectors.flags.writeable, "it is the file that is searched"
    truth = answers(first)
    whole = file.read_bytes()
    for torn in (whole[: len(whole) // 2], b"", whole[:70] + b"\x55" + whole[71:]):
        file.unlink()  # what is mapped stays as it is
        file.write_bytes(torn)
        assert answers(started()) == truth
        assert file.read_bytes() == whole, "and is whole again"
    file.unlink()
    assert answers(started()) == truth
    # What is settled and forgotten afterwards takes its place beside what was mapped.
    first.settle(first.unsettled()[0], an_outcome(112))
    assert [e.view.asof for e in first.settled(at(112))][-1] == at(100)
    first.flush()
    (nearest, *_) = first.recall(a_view(200, (3.0, 1.0))).neighbours
    forget_episode(database, "test", nearest.episode_id, AuditEntry("ann", at(200)))
    assert answers(started()) == answers(fresh_without_file(database))
    database.close()


def fresh_without_file(database: Database) -> EpisodicMemory:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(episodic, "index_over", lambda *_: None)
        memory = EpisodicMemory(database, "test", PAIR, MemorySettings())
        memory.load(at(10_000))
    return memory


def test_a_store_without_a_file_has_no_index_files() -> None:
    assert index_folder("sqlite://") is None
    assert index_folder("postgresql://localhost/bot") is None


# Imports once and forks the writers, so that two hundred kills take seconds. After each kill this process
# opens store and index as a restarted bot does, and compares them row by row.
FORK_KILL_AND_COMPARE = """
import json, os, random, signal, sys, time
from pathlib import Path
from tests.helpers.episode_makers import an_episode, an_outcome, at
from agent_market.config import MemorySettings
from agent_market.memory.episodic import EpisodicMemory
from agent_market.memory.index.file import open_index
from agent_market.store.database import Database
from agent_market.store.episodes import episodes_of
from agent_market.store.memory_moves import moves_of

url, folder, kills, batch = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), 3
random.seed(7)

def write(told):
    database = Database(url)
    memory = EpisodicMemory(database, "test", "BTC/USDT", MemorySettings())
    memory.load(before=at(10_000_000))
    held = memory.unsettled()
    hour = 12 + int((held[-1].view.asof - at(0)).total_seconds() // 3600) if held else 0
    while True:
        for episode in memory.unsettled():
            memory.settle(episode, an_outcome(hour, (-0.2, 0.01)[hour // 12 % 2]))
        memory.assess(at(hour))
        for _ in range(batch):
            memory.remember(an_episode(hour, state=(float(hour), 1.0), belief="b" * 500))
            hour += 12
        memory.flush()
        open_index(database, folder, "test", "BTC/USDT", "state")
        os.write(told, f"{hour}\\n".encode())

def compare(committed):
    database = Database(url)
    with database.begin() as connection:
        assert connection.exec_driver_sql("PRAGMA quick_check").scalar_one() == "ok"
    episodes = episodes_of(database, "test")
    hours = [round((e.view.asof - at(0)).total_seconds() / 3600) for e in episodes]
    assert hours == list(range(0, 12 * len(hours), 12)), "nothing is lost or doubled"
    assert len(hours) * 12 >= committed, "what was told is there"
    settled = [e for e in episodes if e.outcome is not None]
    index = open_index(database, folder, "test", "BTC/USDT", "state")
    truth = sorted((e.outcome.known_at.timestamp(), e.view.asof.timestamp(), e.view.state) for e in settled)
    held = [] if index is None else zip(index.known_at, index.keys, map(tuple, index.vectors.tolist()))
    assert [(float(k), float(a), s) for k, a, s in held] == truth, "index and database agree"
    memory = EpisodicMemory(database, "test", "BTC/USDT", MemorySettings())
    memory.load(before=at(10_000_000))
    moved = moves_of(database, "test", "BTC/USDT")
    last = max([m.at for m in moved], default=0)
    memory.standing(at(hours[-1]) if hours else at(0))
    derived = [m for m in memory.moves() if m.at <= last]
    assert sorted(derived, key=str) == sorted(moved, key=str), "moves follow from the episodes"
    database.close()
    return len(hours)

committed = count = 0
for _ in range(kills):
    reader, told = os.pipe()
    writer = os.fork()
    if writer == 0:
        os.close(reader)
        write(told)
    os.close(told)
    os.read(reader, 1)
    time.sleep(random.uniform(0.0, 0.02))
    os.kill(writer, signal.SIGKILL)
    os.waitpid(writer, 0)
    lines = open(reader).read().split("\\n")
    committed = max([committed, *(int(line) for line in lines[1:] if line)])
    count = compare(committed)
left = [p.name for p in folder.iterdir() if not p.name.startswith(".")]
print(json.dumps({"episodes": count, "files": left}))
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_after_each_of_two_hundred_kills_store_index_and_layers_agree(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.sqlite'}"
    done = subprocess.run(
        [sys.executable, "-c", FORK_KILL_AND_COMPARE, url, str(tmp_path / "index"), str(KILLS)],
        capture_output=True,
        text=True,
        timeout=880,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["episodes"] >= 3 * KILLS
    assert len(told["files"]) == 1
