"""Back up a store while it is in use, restore it, prune old copies, and compact it.

SQLite only: its online backup gives a whole copy of one moment while others write.  PostgreSQL has tools of
its own for that (`pg_dump`, `pg_restore`), and the messages name them.
"""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from alembic.util import CommandError
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url

from agent_market.errors import StoreError
from agent_market.store.database import Database, damage, make_at, open_read_only

_NAME = re.compile(r"agent_market-(\d{8}T\d{6}Z)\.sqlite")
_STAMP = "%Y%m%dT%H%M%SZ"


def back_up(url: str, folder: Path, at: datetime) -> Path:
    """Copy the store to `folder`/agent_market-<UTC time>.sqlite and check the copy.

    Other processes may read and write meanwhile; the copy is a snapshot. A failure leaves no copy.

    :raises StoreError: the store is not an SQLite file, is absent or damaged, or the copy cannot be written.
    """
    source = file_of(url)
    if not source.is_file():
        raise StoreError(f"no store at {source} to back up; check --userdir or the store's URL")
    _make_folder(folder)
    target = folder / f"agent_market-{at.astimezone(UTC):{_STAMP}}.sqlite"
    if target.exists():
        raise StoreError(f"{target} already exists; wait a second and run again")
    _copy(source, target)
    return target


def restore(url: str, backup: Path, at: datetime) -> Path | None:
    """Replace the store by a backup. No process may have the store open.

    The former store is kept beside it as `<name>.before-<UTC time>`.

    :returns: path of the former store; None if there was none.
    :raises StoreError: the backup is absent, damaged or not a store, or the store is in use.
    """
    store = file_of(url)
    if not backup.is_file():
        raise StoreError(f"no backup at {backup}; name an existing copy")
    _require_whole(backup)
    _require_ours(backup)
    require_our_schema(backup)
    _require_unused(store)
    _make_folder(store.parent)
    fresh = store.with_name(f"{store.name}.restoring")
    former = None
    try:
        fresh.unlink(missing_ok=True)
        _copy(backup, fresh)
        if store.exists():
            former = store.with_name(f"{store.name}.before-{at.astimezone(UTC):{_STAMP}}")
            _keep_as(store, former)
        # SQLite would replay a WAL of the former store into the new one.
        for suffix in ("-wal", "-shm"):
            store.with_name(store.name + suffix).unlink(missing_ok=True)
        fresh.replace(store)
    except OSError as error:
        raise StoreError(f"cannot replace {store} by {backup}: {error}") from error
    return former


def backups_in(folder: Path) -> tuple[tuple[datetime, Path], ...]:
    """Return backups in a folder with their times, oldest first; files with other names are ignored."""
    found = []
    for file in folder.glob("agent_market-*.sqlite"):
        if named := _NAME.fullmatch(file.name):
            found.append((datetime.strptime(named[1], _STAMP).replace(tzinfo=UTC), file))
    return tuple(sorted(found))


def outdated(times: list[datetime], now: datetime, days: int = 7, weeks: int = 4) -> list[datetime]:
    """Which backups need not be kept: all of the last day stay, then the newest of each of `days` days,
    then the newest of each of `weeks` ISO weeks. The newest of all always stays.
    """
    if not times:
        return []
    keep = {max(times)} | {t for t in times if now - t <= timedelta(days=1)}
    newest_of: dict[tuple[object, ...], datetime] = {}
    for t in sorted(times):
        if now - t <= timedelta(days=days):
            newest_of["day", t.date()] = t
        if now - t <= timedelta(weeks=weeks):
            newest_of["week", *t.isocalendar()[:2]] = t
    keep |= set(newest_of.values())
    return [t for t in times if t not in keep]


def prune(folder: Path, now: datetime, days: int = 7, weeks: int = 4) -> tuple[Path, ...]:
    """Delete the backups that `outdated` returns; return them."""
    files = dict(backups_in(folder))
    gone = tuple(files[t] for t in outdated(list(files), now, days, weeks))
    for file in gone:
        try:
            file.unlink()
        except OSError as error:
            raise StoreError(f"cannot delete the outdated copy {file}: {error}") from error
    return gone


def compact(database: Database) -> tuple[int, int]:
    """Run VACUUM: free the space of deleted rows and update the planner's statistics.

    On SQLite no other process can write meanwhile, and free space of the file's size is needed.

    :returns: bytes before and after.
    :raises StoreFull: not enough space for the copy; nothing was changed.
    """
    before = _size(database)
    with database.outside_transactions() as connection:
        connection.exec_driver_sql("VACUUM")
        connection.exec_driver_sql("ANALYZE")
        if database.engine.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    return before, _size(database)


def file_of(url: str) -> Path:
    """Return the file of an SQLite URL.

    :raises StoreError: the database is on a server or in memory.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        safe = parsed.render_as_string(hide_password=True)
        raise StoreError(f"{safe} is on a server: back it up with pg_dump and restore it with pg_restore")
    if not parsed.database or parsed.database == ":memory:":
        raise StoreError(f"{url} is in memory and has no file")
    return Path(parsed.database)


def _copy(source: Path, target: Path) -> None:
    partial = target.with_name(f".{target.name}.partial")
    try:
        partial.unlink(missing_ok=True)
        with (
            closing(open_read_only(source)) as old,
            closing(sqlite3.connect(partial)) as new,
        ):
            # In one step: SQLite would restart the copy at each write of another process between two steps.
            old.backup(new)
            # A single file without a WAL, so that it can be moved.
            new.execute("PRAGMA journal_mode=DELETE")
        _require_whole(partial)
        partial.replace(target)
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"cannot copy {source} to {target}: {error}") from error
    finally:
        with suppress(OSError):  # the original error is being raised
            partial.unlink(missing_ok=True)


def _keep_as(store: Path, former: Path) -> None:
    """Give the store a second name: it stays in its place until the other one takes that, in one step."""
    try:
        os.link(store, former)
    except OSError:  # a file system without links, or that name was given within this second
        store.replace(former)


def _require_whole(file: Path) -> None:
    try:
        found = damage(file, thorough=True)
        with closing(open_read_only(file)) as connection:
            tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    except sqlite3.Error as error:
        raise StoreError(f"{file} is not a complete database: {error}") from error
    if found is not None or tables == 0:
        raise StoreError(f"{file} is damaged or empty: {found or 'it has no tables'}")


def require_our_schema(file: Path) -> None:
    """Refuse a file that holds anything but the tables and indexes of a store of its own version.

    A trigger would run code with the next write; a view or a changed column would falsify reads.

    :raises StoreError: the message names surplus, missing and changed parts.
    """
    with closing(open_read_only(file)) as connection:
        found = _schema_of(connection)
        (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone() or (None,)
    engine = create_engine("sqlite://")
    try:
        with engine.begin() as fresh:
            make_at(fresh, str(revision))
            expected = _schema_of(fresh.connection.dbapi_connection)
    except CommandError as error:
        raise StoreError(
            f"{file} is of schema revision {revision!r}, unknown here; upgrade Agent Market"
        ) from error
    finally:
        engine.dispose()
    strange = sorted(" ".join(key) for key in found.keys() - expected.keys())
    missing = sorted(" ".join(key) for key in expected.keys() - found.keys())
    changed = sorted(" ".join(key) for key in found.keys() & expected.keys() if found[key] != expected[key])
    for what, names in (("holds", strange), ("lacks", missing), ("has a changed definition of", changed)):
        if names:
            raise StoreError(
                f"{file} {what} {', '.join(names[:5])}, unlike a store of Agent Market. It was "
                "changed by hand or by another program; name a copy that `agent-market backup` made."
            )


def _schema_of(connection: Any) -> dict[tuple[str, str], object]:
    """Return the schema of a database by (type, name), with the columns as SQLite reports them."""
    query = "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    schema: dict[tuple[str, str], object] = {}
    for kind, name, sql in connection.execute(query).fetchall():
        quoted = '"' + name.replace('"', '""') + '"'
        pragma = {"table": "table_xinfo", "index": "index_xinfo"}.get(kind)
        columns = connection.execute(f"PRAGMA {pragma}({quoted})").fetchall() if pragma else []
        checks = str(sql or "").upper().count("CHECK")
        schema[kind, name] = ([tuple(column) for column in columns], checks)
    return schema


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"cannot create {folder}: {error.strerror or error}. Choose another folder with --to."
        ) from error


def _require_ours(file: Path) -> None:
    """Reject a database of another program, for example freqtrade's trades."""
    with closing(open_read_only(file)) as connection:
        tables = {
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
    if not {"alembic_version", "episodes"} <= tables:
        raise StoreError(
            f"{file} is not a store of Agent Market: it has the tables {', '.join(sorted(tables))}. "
            "Name a copy that `agent-market backup` made."
        )


def _require_unused(store: Path) -> None:
    """Reject a store that is open elsewhere: its shared lock makes an exclusive one fail."""
    if not store.exists():
        return
    try:
        with closing(sqlite3.connect(store, timeout=0.0, isolation_level=None)) as connection:
            connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("ROLLBACK")
    except sqlite3.DatabaseError as error:
        if "locked" in str(error) or "busy" in str(error):
            raise StoreError(f"{store} is in use; stop the bot and all commands first") from error
        # A damaged store may be replaced: that is what a restore is for.


def _size(database: Database) -> int:
    with database.begin() as connection:
        if database.engine.dialect.name == "sqlite":
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            return int(pages) * int(connection.exec_driver_sql("PRAGMA page_size").scalar_one())
        return int(connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one())
