"""Read freqtrade's database from another process, read-only.

A write lock held for seconds would stop the bot, so connections cannot write.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from freqtrade.constants import DEFAULT_DB_DRYRUN_URL, DEFAULT_DB_PROD_URL
from freqtrade.persistence import Trade
from sqlalchemy import Engine, create_engine, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.orm import Session, selectinload
from sqlalchemy.pool import NullPool

from agent_market.bot.journal.trade_records import mirrored, moment_of
from agent_market.errors import ConfigError, DataError
from agent_market.store.trades import Mirrored

BATCH = 200
WAIT_S = 5
READ_ONLY = "-c default_transaction_read_only=on"


@dataclass(frozen=True, slots=True)
class FreqtradeTrades:
    """The trades of one bot. Each query opens its own read-only connection."""

    url: str
    simulated: bool

    def changed(self, known: set[tuple[int, int]]) -> Iterator[list[Mirrored]]:
        """Yield every trade that is open, or closed and not in `known`, in batches, oldest first.

        :param known: (id, open time in epoch seconds) of closed trades that are already mirrored.
        :raises DataError: the database is absent, or its tables do not match this version of freqtrade.
        """
        with self._session() as session:
            rows = session.execute(select(Trade.id, Trade.open_date, Trade.is_open).order_by(Trade.id)).all()
        wanted = [row.id for row in rows if row.is_open or (row.id, _epoch(row.open_date)) not in known]
        for start in range(0, len(wanted), BATCH):
            # One short transaction per batch: an old snapshot would keep the bot's WAL file growing.
            with self._session() as session:
                query = select(Trade).where(Trade.id.in_(wanted[start : start + BATCH])).order_by(Trade.id)
                found = session.scalars(query.options(selectinload(Trade.orders))).all()
                batch = [mirrored(trade, self.simulated) for trade in found if _filled(trade)]
            yield batch

    @contextmanager
    def _session(self) -> Iterator[Session]:
        engine = read_only_engine(self.url)
        try:
            with Session(engine) as session:
                yield session
        except SQLAlchemyError as error:
            shown = make_url(self.url).render_as_string(hide_password=True)
            cause = getattr(error, "orig", None) or error
            raise DataError(f"cannot read freqtrade's trades from {shown}: {cause}") from error
        finally:
            engine.dispose()


def freqtrade_trades(config: Mapping[str, Any]) -> FreqtradeTrades | None:
    """Return the trades of the bot with this config; None if it keeps them in memory.

    :raises ConfigError: `db_url` is not the URL of a SQLite or PostgreSQL database.
    """
    simulated = bool(config.get("dry_run", True))
    text = config.get("db_url") or (DEFAULT_DB_DRYRUN_URL if simulated else DEFAULT_DB_PROD_URL)
    try:
        url = make_url(text)
    except ArgumentError as error:
        raise ConfigError(
            "invalid database URL in `db_url`; use for example sqlite:///tradesv3.sqlite"
        ) from error
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        safe = url.render_as_string(hide_password=True)
        raise ConfigError(f"unsupported database `db_url` = {safe}; use SQLite or PostgreSQL")
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        return None
    return FreqtradeTrades(text, simulated)


def read_only_engine(url: str) -> Engine:
    """Return an engine with read-only connections and no connection pool.

    :param url: SQLAlchemy URL of a SQLite or PostgreSQL database.
    :raises DataError: the SQLite file does not exist.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        options = {"connect_timeout": WAIT_S, "options": READ_ONLY}
        return create_engine(url, poolclass=NullPool, connect_args=options)
    file = Path(str(parsed.database))
    if not file.is_file():
        raise DataError(f"no trades database at {file}; set `db_url` in the config to the bot's database")

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True, timeout=WAIT_S)

    return create_engine("sqlite://", creator=connect, poolclass=NullPool)


def _filled(trade: Trade) -> bool:
    return any(order.safe_filled > 0.0 and not order.ft_is_open for order in trade.orders)


def _epoch(naive: datetime) -> int:
    return int(moment_of(naive).timestamp())
