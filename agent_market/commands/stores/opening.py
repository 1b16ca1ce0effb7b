"""Find and open the store of a user_data directory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent_market.config import StoreSettings
from agent_market.errors import ConfigError, DataError
from agent_market.runs.manifest import latest_manifest
from agent_market.store.database import Database, store_url


def url_of_store(userdir: Path, given: str | None) -> str:
    """The store's URL: `given`, else that of the newest run in `userdir`, else the default setting.

    :raises ConfigError: the directory does not exist (no bot would read a store created there).
    """
    if given is None:
        if not userdir.is_dir():
            raise ConfigError(f"no directory {userdir}; name the bot's user_data with --userdir")
        try:
            given = latest_manifest(userdir).store_url
        except DataError:  # no run yet: the first one will use the default
            given = StoreSettings().url
    return store_url(given, userdir)


@contextmanager
def open_store(url: str) -> Iterator[Database]:
    """The open store, closed at the end of the block."""
    database = Database(url)
    try:
        yield database
    finally:
        database.close()


def megabytes(size: int) -> str:
    """Format a size in bytes as `12.1 MB`."""
    return f"{size / 1e6:,.1f} MB"
