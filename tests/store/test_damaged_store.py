"""A store that is damaged, empty or not ours is refused where it is opened, not where it is met."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent_market.commands.checks import services
from agent_market.errors import StoreError
from agent_market.store.backup import back_up, restore
from agent_market.store.database import Database
from agent_market.store.episodes import episodes_of, write_episodes
from tests.helpers.episode_makers import SCOPE, an_episode

NOW = datetime(2024, 6, 30, 12, tzinfo=UTC)


def filled(file: Path, count: int = 200) -> str:
    url = f"sqlite:///{file}"
    database = Database(url)
    write_episodes(database, [an_episode(n) for n in range(count)])
    database.close()
    return url


def flip_the_middle(file: Path) -> None:
    data = bytearray(file.read_bytes())
    middle = len(data) // 2
    for n in range(middle - 8_192, middle + 8_192):
        data[n] ^= 0xFF
    file.write_bytes(data)


def test_flipped_bytes_in_the_middle_are_found_at_open_and_by_the_doctor(tmp_path: Path) -> None:
    file = tmp_path / "store.sqlite"
    url = filled(file)
    flip_the_middle(file)
    with pytest.raises(StoreError, match=r"damaged.*agent-market restore"):
        Database(url)
    assert services.database(url).level == "fail"


def test_damage_that_only_a_whole_check_sees_is_found_by_the_doctor(tmp_path: Path) -> None:
    file = tmp_path / "store.sqlite"
    url = filled(file)
    with closing(sqlite3.connect(file)) as connection:
        # An index that lacks its rows: the pages are sound, and a quick check reads no index.
        connection.execute("PRAGMA writable_schema=ON")
        connection.execute(
            "UPDATE sqlite_master SET sql = sql || ' WHERE pair = ''x''' WHERE name = 'ix_episodes_known'"
        )
        connection.commit()
    assert services.database(url).level == "fail"


def test_a_file_of_length_zero_is_no_new_store(tmp_path: Path) -> None:
    file = tmp_path / "store.sqlite"
    file.touch()
    with pytest.raises(StoreError, match=r"empty \(0 bytes\)"):
        Database(f"sqlite:///{file}")
    with pytest.raises(StoreError):
        back_up(f"sqlite:///{file}", tmp_path / "copies", NOW)
    assert file.stat().st_size == 0
    assert services.database(f"sqlite:///{file}").level == "fail"


def test_a_damaged_store_can_be_restored(tmp_path: Path) -> None:
    file = tmp_path / "store.sqlite"
    url = filled(file)
    copy = back_up(url, tmp_path / "copies", NOW)
    flip_the_middle(file)
    restore(url, copy, NOW)
    database = Database(url)
    assert len(episodes_of(database, SCOPE)) == 200
    database.close()


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TRIGGER wipe AFTER INSERT ON notes BEGIN DELETE FROM episodes; END",
        "CREATE VIEW lies AS SELECT * FROM episodes",
        "CREATE TABLE more (id INTEGER)",
        "ALTER TABLE notes ADD COLUMN more TEXT DEFAULT 'x'",
        "DROP TABLE notes",
        "CREATE UNIQUE INDEX one_note ON notes (author)",
        "UPDATE alembic_version SET version_num = 'from_the_future'",
    ],
)
def test_a_copy_with_another_schema_is_not_restored(tmp_path: Path, sql: str) -> None:
    url = filled(tmp_path / "store.sqlite", 3)
    copy = back_up(url, tmp_path / "copies", NOW)
    with closing(sqlite3.connect(copy)) as connection:
        connection.execute(sql)
        connection.commit()
    with pytest.raises(StoreError):
        restore(url, copy, NOW)
    database = Database(url)
    assert len(episodes_of(database, SCOPE)) == 3
    database.close()


def test_a_backup_to_a_disk_that_takes_no_writes_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = filled(tmp_path / "store.sqlite", 3)
    target = tmp_path / "copies"
    made = Path.mkdir

    def refuse(self: Path, *args: object, **options: object) -> None:
        if self == target:
            raise OSError(30, "Read-only file system", str(self))
        made(self, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(StoreError, match="Read-only file system"):
        back_up(url, target, NOW)
