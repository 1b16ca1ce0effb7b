"""Opening the database: engine, pragmas, migrations, and the translation of its errors.

SQLite runs in WAL mode with `synchronous=NORMAL`: a killed process loses at most the transactions
that were never reported as committed, and a reader never blocks the writer.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from tenacity import retry, retry_if_exception_message, stop_after_delay, wait_random

from agent_market.errors import StoreError, StoreFull

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_TIMEOUT_S = 30.0
_MIGRATION_LOCK = 0x41674D6B
"""Any number, the same in every process."""
SERVER_TIMEOUT_S = 5
"""So long a server that does not answer is waited for; the bot, its exits too, waits with it."""

_migration_lock = threading.Lock()


class Database:
    """One open store. Thread-safe; connections are short and come from the engine's pool."""

    def __init__(self, url: str) -> None:
        """Open `url` and migrate it to the newest schema.

        :param url: SQLAlchemy URL, e.g. `sqlite:///user_data/agent_market.sqlite`.
        :raises StoreError: the URL or file is no database, a newer version of Agent Market wrote it,
            or the server refuses.
        """
        self.url = url
        try:
            self.engine = _make_engine(url)
            with _migration_lock, self.engine.begin() as connection:
                _migrate(connection)
        except (SQLAlchemyError, CommandError, ImportError, OSError) as error:
            raise _translate(error, url) from error

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction: committed at the end of the block, rolled back if it raises.

        :raises StoreFull: the disk is full; nothing of this transaction was kept.
        :raises StoreError: any other failure of the database.
        """
        try:
            with self.engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise _translate(error, self.url) from error

    @contextmanager
    def outside_transactions(self) -> Iterator[Connection]:
        """A connection for statements that no transaction may hold, such as VACUUM; errors as in `begin`."""
        try:
            with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                yield connection
        except SQLAlchemyError as error:
            raise _translate(error, self.url) from error

    def close(self) -> None:
        """Give back all connections; the object must not be used afterwards."""
        self.engine.dispose()


def store_url(template: str, user_data: Path) -> str:
    """Fill `{user_data}` in the setting `store.url`."""
    return template.replace("{user_data}", str(user_data))


def _make_engine(url: str) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(url, pool_pre_ping=True, connect_args=_patience(parsed))
    if parsed.database and parsed.database != ":memory:":
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S})

    @event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        _switch_to_wal(cursor)
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    return engine


def _patience(url: URL) -> dict[str, int]:
    """Settings of libpq; what the URL says itself goes first.

    Without them a host that is gone is waited for two minutes, on an open connection a quarter of an hour.
    """
    if url.get_backend_name() != "postgresql" or "psycopg" not in url.get_driver_name():
        return {}
    ours = {"connect_timeout": SERVER_TIMEOUT_S, "tcp_user_timeout": SERVER_TIMEOUT_S * 1000}
    return {name: value for name, value in ours.items() if name not in url.query}


@retry(
    retry=retry_if_exception_message(match=".*database is locked"),
    stop=stop_after_delay(BUSY_TIMEOUT_S),
    wait=wait_random(0.005, 0.05),
    reraise=True,
)
def _switch_to_wal(cursor: Any) -> None:
    """Once per file. SQLite gives up at once, busy timeout or not, while another process does the same."""
    if cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        cursor.execute("PRAGMA journal_mode=WAL")


def _migrate(connection: Connection) -> None:
    config = AlembicConfig()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    known = ScriptDirectory.from_config(config)
    head = known.get_current_head()
    current = MigrationContext.configure(connection).get_current_revision()
    if current == head:
        return
    if current is not None and current not in {script.revision for script in known.walk_revisions()}:
        raise CommandError(
            f"its schema is revision {current!r}, newer than {head!r}, the newest known here; "
            "upgrade Agent Market, or set another `store.url`"
        )
    if connection.dialect.name == "sqlite":
        # Python's sqlite3 opens no transaction for DDL. This one makes a second process wait until the
        # tables are there, and leaves none of them behind if this process is killed.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    elif connection.dialect.name == "postgresql":
        # Two that make the same table at once would fail; the lock ends with the transaction.
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
    command.upgrade(config, "head")


def _translate(error: Exception, url: str) -> StoreError:
    text = str(getattr(error, "orig", None) or error)
    try:
        safe_url = make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        # What cannot be parsed may still hold a password: it is not repeated.
        return StoreError(
            "`store.url` is no SQLAlchemy URL; write for example sqlite:////folder/agent_market.sqlite"
        )
    if "not a database" in text:
        return StoreError(
            f"{safe_url} is not a database: the file holds something else or is damaged. "
            "Move it away, or set another `store.url`."
        )
    if "disk is full" in text or "No space left" in text:
        return StoreFull(
            f"no room to write to {safe_url}: {text}. Free some space and run again; "
            "everything committed before is kept."
        )
    return StoreError(f"cannot use the store {safe_url}: {text}")
