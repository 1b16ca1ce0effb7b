from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from agent_market.errors import StoreError
from agent_market.store.database import Database
from agent_market.store.episodes import episodes_of, write_episodes
from agent_market.store.schema import metadata
from tests.helpers.episode_makers import an_episode

OPEN_AT_ONCE = """
import sys, time
from agent_market.store.database import Database
print("ready", flush=True)
sys.stdin.readline()
Database(sys.argv[1]).close()
"""


def url_of(path: Path) -> str:
    return f"sqlite:///{path}"


def test_migrations_create_exactly_the_tables_of_the_schema(tmp_path: Path) -> None:
    database = Database(url_of(tmp_path / "store.sqlite"))
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        unique = connection.exec_driver_sql(
            "SELECT count(*) FROM sqlite_master WHERE sql LIKE '%uq_episodes_scope_id UNIQUE (scope, id)%'"
        )
        assert unique.scalar_one() == 1
    database.close()


def test_the_folder_is_made_and_the_file_is_in_wal_mode(tmp_path: Path) -> None:
    database = Database(url_of(tmp_path / "new" / "folder" / "store.sqlite"))
    with database.begin() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
    database.close()


def test_a_file_that_is_no_database_is_an_error_that_says_so_and_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("buy low, sell high\n" * 100)
    with pytest.raises(StoreError, match=r"notes\.txt is not a database"):
        Database(url_of(path))
    assert path.read_text() == "buy low, sell high\n" * 100


def test_a_folder_in_place_of_the_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=tmp_path.name):
        Database(url_of(tmp_path))


def test_a_database_of_a_newer_version_is_an_error_that_says_to_upgrade(tmp_path: Path) -> None:
    database = Database(url_of(tmp_path / "store.sqlite"))
    write_episodes(database, [an_episode(0)])
    with database.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    with pytest.raises(StoreError, match=r"revision '9999'.*upgrade Agent Market"):
        Database(url_of(tmp_path / "store.sqlite"))


def test_a_wrong_url_is_an_error_that_repeats_no_password() -> None:
    with pytest.raises(StoreError, match="invalid SQLAlchemy URL") as error:
        Database("user:secret@host")
    assert "secret" not in str(error.value)
    with pytest.raises(StoreError, match="nosuchdriver") as error:
        Database("mysql+nosuchdriver://user:secret@127.0.0.1/market")
    assert "secret" not in str(error.value)


def test_three_processes_open_a_new_store_at_once(tmp_path: Path) -> None:
    for attempt in range(3):
        url = url_of(tmp_path / f"store{attempt}.sqlite")
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", OPEN_AT_ONCE, url],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(3)
        ]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in processes:
            _, errors = process.communicate(timeout=60)
            assert process.returncode == 0, errors


def test_opening_an_up_to_date_store_does_not_wait_for_a_writer(tmp_path: Path) -> None:
    url = url_of(tmp_path / "store.sqlite")
    writer = Database(url)
    with writer.begin() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        started = time.monotonic()
        reader = Database(url)
        assert episodes_of(reader, "test") == ()
        assert time.monotonic() - started < 10.0
    reader.close()
    writer.close()
