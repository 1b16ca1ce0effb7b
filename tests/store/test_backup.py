"""Backups of a store in use, getting them back, retention, compaction."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import URL

from agent_market.errors import StoreError
from agent_market.store.backup import back_up, backups_in, compact, outdated, prune, restore
from agent_market.store.database import Database
from agent_market.store.episodes import episodes_of, write_episodes
from agent_market.store.jobs import last_run, note_run, runs
from tests.helpers.episode_makers import SCOPE, an_episode

NOW = datetime(2024, 6, 30, 12, tzinfo=UTC)

WRITE_ON = """
import sys
from tests.helpers.episode_makers import an_episode
from agent_market.store.database import Database
from agent_market.store.episodes import write_episodes
database = Database(sys.argv[1])
print("ready", flush=True)
for n in range(100_000):
    write_episodes(database, [an_episode(2 * n), an_episode(2 * n + 1)])
"""


def url_of(folder: Path) -> str:
    return f"sqlite:///{folder}/store.sqlite"


def test_a_backup_made_while_another_process_writes_is_whole_transactions(tmp_path: Path) -> None:
    url = url_of(tmp_path)
    Database(url).close()
    command = [sys.executable, "-c", WRITE_ON, url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parent.parent) as writer:
        try:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"ready\n"
            copies = [back_up(url, tmp_path / "copies", NOW + timedelta(seconds=n)) for n in range(5)]
        finally:
            writer.kill()
    sizes = []
    for copy in copies:
        held = Database(f"sqlite:///{copy}")
        sizes.append(len(episodes_of(held, SCOPE)))
        held.close()
    assert all(size % 2 == 0 for size in sizes)
    assert sizes == sorted(sizes)


def test_a_backup_ends_though_another_process_writes_after_every_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = url_of(tmp_path)
    database = Database(url)
    write_episodes(database, [an_episode(n) for n in range(200)])
    with database.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE ballast AS SELECT zeroblob(20000000) AS large")
    database.close()
    steps: list[int] = []
    connect = sqlite3.connect

    class Watched(sqlite3.Connection):
        def backup(self, target: sqlite3.Connection, **how: object) -> None:  # type: ignore[override]
            super().backup(target, **{**how, "progress": write_between})  # type: ignore[arg-type]

    def write_between(_status: int, _left: int, _total: int) -> None:
        steps.append(_left)
        with closing(connect(tmp_path / "store.sqlite")) as other:
            other.execute("UPDATE episodes SET due = due + 1")
            other.commit()
        if len(steps) > 1:
            raise AssertionError(f"the copy begins anew after each write: {steps} pages are left")

    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: connect(*a, **{**k, "factory": Watched}))
    copy = back_up(url, tmp_path / "copies", NOW)
    monkeypatch.undo()
    held = Database(f"sqlite:///{copy}")
    assert len(episodes_of(held, SCOPE)) == 200
    held.close()
    assert steps == [0]


@pytest.mark.parametrize("name", ["bot #1", "50%25 off", "what?"])
def test_a_store_in_a_folder_of_any_name_is_backed_up_and_restored(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    url = str(URL.create("sqlite", database=str(folder / "store.sqlite")))
    database = Database(url)
    write_episodes(database, [an_episode(0)])
    copy = back_up(url, folder / "copies", NOW)
    write_episodes(database, [an_episode(1)])
    database.close()
    restore(url, copy, NOW)
    restored = Database(url)
    assert [e.id for e in episodes_of(restored, SCOPE)] == ["BTC/USDT@0"]
    restored.close()
    assert [file.name for file in tmp_path.iterdir()] == [name], "and no empty file beside it"


def test_restoring_brings_the_backup_and_keeps_what_was_there(tmp_path: Path) -> None:
    url = url_of(tmp_path)
    database = Database(url)
    write_episodes(database, [an_episode(0)])
    copy = back_up(url, tmp_path, NOW)
    write_episodes(database, [an_episode(1)])
    database.close()
    former = restore(url, copy, NOW)
    restored = Database(url)
    assert [e.id for e in episodes_of(restored, SCOPE)] == ["BTC/USDT@0"]
    restored.close()
    assert former is not None
    kept = Database(f"sqlite:///{former}")
    assert [e.id for e in episodes_of(kept, SCOPE)] == ["BTC/USDT@0", "BTC/USDT@1"]
    kept.close()


def test_a_restore_that_is_killed_at_the_last_step_leaves_the_former_store_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bot would begin a new one otherwise, without a word."""
    url = url_of(tmp_path)
    database = Database(url)
    write_episodes(database, [an_episode(0)])
    copy = back_up(url, tmp_path, NOW)
    write_episodes(database, [an_episode(1)])
    database.close()
    move = Path.replace

    def killed(self: Path, target: Path) -> Path:
        if self.name == "store.sqlite.restoring":
            raise KeyboardInterrupt
        return move(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            restore(url, copy, NOW)
    assert (tmp_path / "store.sqlite").is_file()
    left = Database(url)
    assert len(episodes_of(left, SCOPE)) == 2
    left.close()
    restore(url, copy, NOW)
    restored = Database(url)
    assert len(episodes_of(restored, SCOPE)) == 1
    restored.close()


def test_a_store_in_use_is_not_replaced(tmp_path: Path) -> None:
    url = url_of(tmp_path)
    database = Database(url)
    write_episodes(database, [an_episode(0)])
    copy = back_up(url, tmp_path, NOW)
    write_episodes(database, [an_episode(1)])
    with pytest.raises(StoreError, match="is in use; stop the bot"):
        restore(url, copy, NOW)
    assert len(episodes_of(database, SCOPE)) == 2
    database.close()


def test_a_damaged_backup_replaces_nothing_and_a_damaged_store_is_replaced(tmp_path: Path) -> None:
    url = url_of(tmp_path)
    database = Database(url)
    write_episodes(database, [an_episode(n) for n in range(50)])
    database.close()
    copy = back_up(url, tmp_path, NOW)
    damaged = tmp_path / "damaged.sqlite"
    raw = bytearray(copy.read_bytes())
    raw[5000:40000] = b"\0" * 35000
    damaged.write_bytes(raw)
    with pytest.raises(StoreError, match="damaged"):
        restore(url, damaged, NOW)
    (tmp_path / "store.sqlite").write_bytes(raw)
    restore(url, copy, NOW)
    again = Database(url)
    assert len(episodes_of(again, SCOPE)) == 50
    again.close()


def test_what_cannot_be_backed_up_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no store at"):
        back_up(url_of(tmp_path), tmp_path, NOW)
    with pytest.raises(StoreError, match=r"\*\*\*@127\.0\.0\.1.*pg_dump"):
        back_up("postgresql+psycopg://me:secret@127.0.0.1/market", tmp_path, NOW)
    with pytest.raises(StoreError, match="no backup"):
        restore(url_of(tmp_path), tmp_path / "none.sqlite", NOW)


def test_the_database_of_another_program_is_refused(tmp_path: Path) -> None:
    trades = tmp_path / "tradesv3.sqlite"
    with closing(sqlite3.connect(trades)) as connection:
        connection.execute("CREATE TABLE trades (id INTEGER)")
    with pytest.raises(StoreError, match=r"tradesv3\.sqlite is not a store of Agent Market.*tables trades"):
        restore(url_of(tmp_path), trades, NOW)
    assert [file.name for file in tmp_path.iterdir()] == [trades.name]


def test_which_backups_are_outdated() -> None:
    hours = [NOW - timedelta(hours=h) for h in (1, 5, 23)]
    days = [NOW - timedelta(days=d, hours=h) for d in range(1, 10) for h in (1, 7)]
    weeks = [NOW - timedelta(weeks=w, days=2) for w in range(2, 8)]
    gone = outdated(sorted(hours + days + weeks), NOW, days=7, weeks=4)
    kept = sorted(set(hours + days + weeks) - set(gone))
    assert set(hours) <= set(kept)
    newest_of_days = {
        max(t for t in hours + days if t.date() == date) for date in {t.date() for t in days[:12]}
    }
    assert newest_of_days <= set(kept)
    # 2024-06-30 is a Sunday: weeks 26 to 22 begin on June 24, 17, 10, 3 and May 27.
    mondays = [datetime(2024, 6, 24, tzinfo=UTC) - timedelta(weeks=w) for w in range(4)]
    for monday in mondays:
        of_week = [t for t in hours + days + weeks if monday <= t < monday + timedelta(weeks=1)]
        assert not of_week or max(of_week) in kept
    assert all(NOW - t <= timedelta(weeks=4) for t in kept)
    assert outdated([NOW - timedelta(days=999)], NOW) == []


def test_pruning_deletes_outdated_files_and_no_others(tmp_path: Path) -> None:
    for hours in (1, 24 * 40, 24 * 41):
        (tmp_path / f"agent_market-{NOW - timedelta(hours=hours):%Y%m%dT%H%M%SZ}.sqlite").touch()
    (tmp_path / "notes.sqlite").touch()
    assert len(prune(tmp_path, NOW)) == 2
    assert [at for at, _ in backups_in(tmp_path)] == [NOW - timedelta(hours=1)]
    assert (tmp_path / "notes.sqlite").exists()
    assert prune(tmp_path / "none", NOW) == ()


def test_vacuum_gives_space_back(tmp_path: Path) -> None:
    database = Database(url_of(tmp_path))
    write_episodes(database, [an_episode(n, belief="word " * 200) for n in range(200)])
    with database.begin() as connection:
        connection.exec_driver_sql("DELETE FROM episodes")
    before, after = compact(database)
    assert after < before / 2
    database.close()
    with sqlite3.connect(tmp_path / "store.sqlite") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    connection.close()


def test_the_newest_run_of_a_job_is_noted(tmp_path: Path) -> None:
    database = Database(url_of(tmp_path))
    assert last_run(database, "vacuum") is None
    note_run(database, "vacuum", NOW - timedelta(days=1), {"after": 2})
    note_run(database, "vacuum", NOW, {"after": 1})
    assert runs(database) == {"vacuum": (NOW, {"after": 1})}
    database.close()
