"""Model answers by content address.

Reading is the hot path of every replayed backtest, so it goes to the driver's cursor of one kept
connection, with statements that SQLAlchemy renders once per number of keys: four times as fast as its
execution layer. In AUTOCOMMIT no snapshot is held, hence answers that another process records are seen
and the write-ahead log can be trimmed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, select, union_all
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from agent_market.errors import StoreError
from agent_market.store.database import Database
from agent_market.store.schema import answers

_KEYS_PER_QUERY = 64
_CACHE_KIB = 65_536
_READ = (
    answers.c.key,
    answers.c.response,
    answers.c.model,
    answers.c.prompt_tokens,
    answers.c.completion_tokens,
)
_BACKENDS = ("sqlite", "postgresql")


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """One stored answer: request, response and cost. `created_at` in epoch seconds."""

    key: str
    role: str
    model: str
    request: bytes
    response: bytes
    prompt_tokens: int
    completion_tokens: int
    latency_s: float
    created_at: int


class HeldAnswer(NamedTuple):
    """The part of a stored answer that replay needs: response, model and usage."""

    response: bytes
    model: str
    prompt_tokens: int
    completion_tokens: int


class AnswerStore:
    """The table `answers` of one database. Thread-safe."""

    def __init__(self, database: Database) -> None:
        """:raises StoreError: the database is neither SQLite nor PostgreSQL."""
        backend = database.engine.dialect.name
        if backend not in _BACKENDS:
            raise StoreError(f"unsupported database {backend!r} for answers; use {' or '.join(_BACKENDS)}")
        self._database = database
        self._backend = backend
        self._driver_error = database.engine.dialect.loaded_dbapi.Error
        self._lock = threading.Lock()
        self._kept: Connection | None = None
        self._statements: dict[int, tuple[str, tuple[str, ...] | None]] = {}

    def get_many(self, keys: Sequence[str]) -> dict[str, HeldAnswer]:
        """Return the stored answers of `keys`; keys without one are absent.

        :raises StoreError: the database cannot be read, after a second try on a fresh connection.
        """
        found: dict[str, HeldAnswer] = {}
        with self._lock:
            for start in range(0, len(keys), _KEYS_PER_QUERY):
                chunk = keys[start : start + _KEYS_PER_QUERY]
                try:
                    rows = self._read(chunk)
                except (SQLAlchemyError, self._driver_error):
                    self._drop_connection(broken=True)
                    rows = self._read_afresh(chunk)
                for key, response, model, prompt_tokens, completion_tokens in rows:
                    found[key] = HeldAnswer(bytes(response), model, prompt_tokens, completion_tokens)
        return found

    def get(self, key: str) -> AnswerRow | None:
        """Return the full row of one answer, with request and response."""
        with self._database.begin() as connection:
            row = connection.execute(select(answers).where(answers.c.key == key)).one_or_none()
        return None if row is None else AnswerRow(**row._mapping)

    def put(self, rows: Iterable[AnswerRow]) -> None:
        """Store `rows` in one transaction, replacing rows with the same key.

        :raises StoreFull: the disk is full; none of `rows` was stored.
        :raises StoreError: any other failure; none of `rows` was stored.
        """
        values = [asdict(row) for row in rows]
        if not values:
            return
        insert = sqlite.insert(answers) if self._backend == "sqlite" else postgresql.insert(answers)
        changed = {
            column.name: insert.excluded[column.name] for column in answers.c if not column.primary_key
        }
        statement = insert.on_conflict_do_update(index_elements=["key"], set_=changed)
        with self._database.begin() as connection:
            connection.execute(statement, values)

    def close(self) -> None:
        """Release the read connection; the next read opens another."""
        with self._lock:
            self._drop_connection()

    def _read(self, keys: Sequence[str]) -> Sequence[Any]:
        text, names = self._statement(len(keys))
        cursor = self._connection().connection.cursor()
        try:
            cursor.execute(text, keys if names is None else dict(zip(names, keys, strict=True)))
            return cursor.fetchall()
        finally:
            cursor.close()

    def _read_afresh(self, keys: Sequence[str]) -> Sequence[Any]:
        with self._database.begin() as connection:
            return connection.execute(select(*_READ).where(answers.c.key.in_(keys))).fetchall()

    def _statement(self, count: int) -> tuple[str, tuple[str, ...] | None]:
        """SQL for `count` keys in the driver's own words, and the parameters' names if it wants names."""
        if count not in self._statements:
            names = tuple(f"k{i}" for i in range(count))
            # One look-up a key: for a list of keys SQLite first builds a table of them.
            query = union_all(
                *(
                    select(*_READ).where(answers.c.key == bindparam(name, type_=answers.c.key.type))
                    for name in names
                )
            )
            compiled = query.compile(dialect=self._database.engine.dialect)
            self._statements[count] = (str(compiled), None if compiled.positional else names)
        return self._statements[count]

    def _connection(self) -> Connection:
        if self._kept is None:
            kept = self._database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            if self._backend == "sqlite":
                # Keys are hashes: with the default 2 MB every look-up in a large store rereads the index.
                kept.exec_driver_sql(f"PRAGMA cache_size=-{_CACHE_KIB}")
            self._kept = kept
        return self._kept

    def _drop_connection(self, broken: bool = False) -> None:
        kept, self._kept = self._kept, None
        if kept is None:
            return
        if broken:
            kept.invalidate()
        kept.close()
