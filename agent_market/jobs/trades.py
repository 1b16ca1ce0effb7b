"""Freqtrade's trades, read from outside: a write lock held for seconds would end the bot."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from freqtrade.constants import DEFAULT_DB_DRYRUN_URL, DEFAULT_DB_PROD_URL
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from agent_market.errors import ConfigError, DataError
from agent_market.reports.review import Closed

_WAIT_S = 5.0
_STAMP = "%Y-%m-%d %H:%M:%S.%f"


def trades_file(config: Mapping[str, Any]) -> Path | None:
    """The file of the trades of a bot with this config; None where it keeps them in memory.

    :raises ConfigError: `db_url` is no SQLite URL.
    """
    default = DEFAULT_DB_DRYRUN_URL if config.get("dry_run", True) else DEFAULT_DB_PROD_URL
    text = config.get("db_url") or default
    try:
        url = make_url(text)
    except ArgumentError as error:
        raise ConfigError(
            "`db_url` is no database URL; write for example sqlite:///tradesv3.sqlite"
        ) from error
    if url.get_backend_name() != "sqlite":
        safe = url.render_as_string(hide_password=True)
        raise ConfigError(f"`db_url` = {safe}: trades are read from outside for SQLite files only")
    return None if url.database in (None, "", ":memory:") else Path(str(url.database))


def open_trades_database(file: Path) -> sqlite3.Connection:
    """A connection that cannot write, and holds no lock that the bot would wait for.

    :raises DataError: there is no such file, or it cannot be opened.
    """
    if not file.is_file():
        raise DataError(f"there are no trades at {file}; name the bot's database as `db_url` in the config")
    try:
        connection = sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True, timeout=_WAIT_S)
        connection.execute("PRAGMA query_only=ON")
    except sqlite3.Error as error:
        raise DataError(f"{file} cannot be read: {error}") from error
    return connection


def closed_trades(file: Path, since: datetime, before: datetime) -> tuple[Closed, ...]:
    """Trades that closed within [since, before), in the order in which they closed.

    :raises DataError: the file is absent or holds no trades of freqtrade.
    """
    span = tuple(moment.astimezone(UTC).strftime(_STAMP) for moment in (since, before))
    query = (
        "SELECT pair, close_profit, close_profit_abs FROM trades "
        "WHERE is_open = 0 AND close_date >= ? AND close_date < ? ORDER BY close_date, id"
    )
    with closing(open_trades_database(file)) as connection:
        try:
            rows = connection.execute(query, span).fetchall()
        except sqlite3.Error as error:
            raise DataError(f"{file} holds no trades that can be read: {error}") from error
    return tuple(Closed(pair, float(ratio or 0.0), float(profit or 0.0)) for pair, ratio, profit in rows)
