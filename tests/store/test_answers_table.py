from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy.dialects import mysql

from agent_market.errors import StoreError
from agent_market.store.answers import AnswerRow, AnswerStore, HeldAnswer
from agent_market.store.database import Database


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """PostgreSQL takes part where a server is installed, or named; see conftest.py."""
    is_server = request.param == "postgresql"
    opened = Database(
        request.getfixturevalue("empty_postgres") if is_server else f"sqlite:///{tmp_path}/store.sqlite"
    )
    yield opened
    opened.close()


def row(key: str, response: bytes = b"{}") -> AnswerRow:
    return AnswerRow(key, "judge", "m", b'{"a": 1}', response, 10, 2, 0.25, 1_700_000_000)


def responses(store: AnswerStore, keys: list[str]) -> dict[str, bytes]:
    return {key: held.response for key, held in store.get_many(keys).items()}


def test_what_was_put_is_found_and_what_was_not_is_absent(database: Database) -> None:
    store = AnswerStore(database)
    store.put([row("a", b"one"), row("b", b"two")])
    assert responses(store, ["b", "missing", "a"]) == {"a": b"one", "b": b"two"}
    assert store.get_many(["a"]) == {"a": HeldAnswer(b"one", "m", 10, 2)}
    assert store.get("a") == row("a", b"one")
    assert store.get("missing") is None
    assert responses(store, []) == {}
    store.put([])
    store.close()


def test_many_keys_are_read_in_one_call(database: Database) -> None:
    store = AnswerStore(database)
    rows = [row(f"{i:03}", str(i).encode()) for i in range(300)]
    store.put(rows)
    assert responses(store, [r.key for r in rows]) == {r.key: r.response for r in rows}
    store.close()


def test_putting_twice_stores_once_and_the_newest_wins(database: Database) -> None:
    store = AnswerStore(database)
    store.put([row("a", b"one")])
    store.put([row("a", b"one")])
    store.put([replace(row("a", b"two"), created_at=1_800_000_000)])
    assert store.get("a") == replace(row("a", b"two"), created_at=1_800_000_000)
    with database.begin() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM answers").scalar_one() == 1
    store.close()


def test_an_open_reader_sees_what_others_write_later(database: Database) -> None:
    reader, writer = AnswerStore(database), AnswerStore(database)
    assert responses(reader, ["a"]) == {}
    writer.put([row("a", b"one")])
    assert responses(reader, ["a"]) == {"a": b"one"}
    reader.close()


def test_several_threads_may_read_and_write(database: Database) -> None:
    store = AnswerStore(database)

    def work(number: int) -> bool:
        store.put([row(f"{number}", str(number).encode())])
        return responses(store, [str(number)]) == {str(number): str(number).encode()}

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(work, range(60)))
    store.close()


def test_a_connection_that_breaks_is_replaced(database: Database) -> None:
    store = AnswerStore(database)
    store.put([row("a", b"one")])
    assert responses(store, ["a"]) == {"a": b"one"}
    store._connection().connection.driver_connection.close()
    assert responses(store, ["a"]) == {"a": b"one"}
    assert responses(store, ["a"]) == {"a": b"one"}
    store.close()


def test_a_reader_does_not_keep_the_log_from_being_trimmed(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/store.sqlite")
    store = AnswerStore(database)
    store.put([row("a", b"one")])
    assert responses(store, ["a"]) == {"a": b"one"}
    with sqlite3.connect(tmp_path / "store.sqlite") as other:
        busy, *_ = other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    other.close()
    assert busy == 0
    assert (tmp_path / "store.sqlite-wal").stat().st_size == 0
    store.close()
    database.close()


def test_a_store_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/store.sqlite")
    with database.begin() as connection:
        connection.exec_driver_sql("DROP TABLE answers")
    with pytest.raises(StoreError, match="no such table"):
        AnswerStore(database).get_many(["a"])
    database.close()


def test_another_kind_of_database_is_refused_by_name() -> None:
    elsewhere = SimpleNamespace(engine=SimpleNamespace(dialect=mysql.dialect()))
    with pytest.raises(StoreError, match="'mysql'"):
        AnswerStore(elsewhere)  # type: ignore[arg-type]
