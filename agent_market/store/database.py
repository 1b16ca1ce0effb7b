"""Open the database: engine, pragmas, migrations, and translation of errors.

SQLite runs in WAL mode with `synchronous=NORMAL`: a killed process loses at most the transactions
that were never reported as committed, and a reader never blocks the writer.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
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
"""An arbitrary number, the same in every process."""
SERVER_TIMEOUT_S = 5
"""Seconds to wait for a server that does not answer; the bot, its exits included, waits as long."""

_BEING_MADE_S = 2.0
"""Seconds for which an empty file may be a store that another process is creating."""

_migration_lock = threading.Lock()
_whole: dict[Path, tuple[int, int, int]] = {}
"""Files that passed the check, with their state then; checked again only after a change."""


class Database:
    """One open store. Thread-safe; connections are short and come from the engine's pool."""

    def __init__(self, url: str) -> None:
        """Open `url` and migrate it to the newest schema.

        :param url: SQLAlchemy URL, e.g. `sqlite:///user_data/agent_market.sqlite`.
        An SQLite file is looked through first (`PRAGMA quick_check`), once for each state of the file.

        :raises StoreError: the URL or file is not a database, is empty or damaged, a newer version of Agent
            Market wrote it, or the server refuses.
        """
        self.url = url
        try:
            file = sqlite_file(url)
            if file is not None:
                _require_sound(file)
            self.engine = _make_engine(url)
            with _migration_lock, self.engine.begin() as connection:
                _migrate(connection)
        except (SQLAlchemyError, CommandError, ImportError, OSError, sqlite3.Error) as error:
            raise _translate(error, url) from error

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """Open a transaction: committed at the end of the block, rolled back if it raises.

        :raises StoreFull: the disk is full; nothing of this transaction was stored.
        :raises StoreError: any other failure of the database.
        """
        try:
            with self.engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise _translate(error, self.url) from error

    @contextmanager
    def outside_transactions(self) -> Iterator[Connection]:
        """Open a connection for statements outside a transaction, such as VACUUM; errors as in `begin`."""
        try:
            with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                yield connection
        except SQLAlchemyError as error:
            raise _translate(error, self.url) from error

    def close(self) -> None:
        """Close all connections; do not use the object afterwards."""
        self.engine.dispose()


def store_url(template: str, user_data: Path) -> str:
    """Fill `{user_data}` in the setting `store.url`."""
    return template.replace("{user_data}", str(user_data))


def sqlite_file(url: str) -> Path | None:
    """Return the file of an SQLite URL; None for a database on a server or in memory."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.database == ":memory:":
        return None
    return Path(parsed.database)


def open_read_only(file: Path) -> sqlite3.Connection:
    """An SQLite file, to read.

    As a quoted URI: `#`, `?` and `%` in the name of a folder would end it or be read as something else.
    """
    return sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_S)


def damage(file: Path, *, thorough: bool = False) -> str | None:
    """Return the first damage that SQLite finds in a database file; None if it finds none.

    :param thorough: also compare indexes with their tables, which takes several times longer.
    :raises sqlite3.OperationalError: the file cannot be checked now, for example because it is locked.
    """
    pragma = "integrity_check" if thorough else "quick_check"
    with closing(open_read_only(file)) as connection:
        try:
            found = str(connection.execute(f"PRAGMA {pragma}(1)").fetchone()[0])
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            return str(error)
    return None if found == "ok" else found.removeprefix("*** in database main ***").strip()


def _require_sound(file: Path) -> None:
    """Reject an empty or damaged file; an absent one is created later.

    Otherwise a bot would silently start with an empty memory, or fail later at the damaged part.
    """
    if not file.exists():
        return
    give_up = time.monotonic() + _BEING_MADE_S
    while file.stat().st_size == 0:
        if time.monotonic() > give_up:
            raise StoreError(
                f"{file} is empty (0 bytes): a store stood there, or its disk was full. Put a copy back with "
                "`agent-market restore`, or delete the file to begin a new store."
            )
        time.sleep(0.05)
    state = file.stat()
    seen = (state.st_ino, state.st_size, state.st_mtime_ns)
    if _whole.get(file) == seen:
        return
    found = damage(file)
    if found is not None:
        if "not a database" in found:
            raise StoreError(_not_a_database(str(file)))
        raise StoreError(
            f"{file} is damaged ({found}). Stop all that uses it and put a copy back with "
            "`agent-market restore`; what was there is kept beside it."
        )
    _whole[file] = seen


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
    """Return timeouts for libpq, unless the URL sets them.

    Without them libpq waits two minutes for an unreachable host, and 15 minutes on an open connection.
    """
    if url.get_backend_name() != "postgresql" or "psycopg" not in url.get_driver_name():
        return {}
    defaults = {"connect_timeout": SERVER_TIMEOUT_S, "tcp_user_timeout": SERVER_TIMEOUT_S * 1000}
    return {name: value for name, value in defaults.items() if name not in url.query}


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


def make_at(connection: Connection, revision: str) -> None:
    """Create all tables of `revision` in an empty database.

    :raises CommandError: the revision does not exist.
    """
    command.upgrade(_alembic(connection), revision)


def _alembic(connection: Connection) -> AlembicConfig:
    config = AlembicConfig()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def _migrate(connection: Connection) -> None:
    config = _alembic(connection)
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
        # A URL that cannot be parsed may hold a password: do not repeat it.
        return StoreError(
            "invalid SQLAlchemy URL in `store.url`; use for example sqlite:////folder/agent_market.sqlite"
        )
    if "not a database" in text:
        return StoreError(_not_a_database(safe_url))
    if "malformed" in text:
        return StoreError(
            f"{safe_url} is damaged ({text}). Stop all that uses it and put a copy back with "
            "`agent-market restore`; what was there is kept beside it."
        )
    if "disk is full" in text or "No space left" in text:
        return StoreFull(
            f"no room to write to {safe_url}: {text}. Free some space and run again; "
            "everything committed before is kept."
        )
    return StoreError(f"cannot use the store {safe_url}: {text}")


def _not_a_database(shown: str) -> str:
    return (
        f"{shown} is not a database: the file holds something else or is damaged. "
        "Move it away, or set another `store.url`."
    )
