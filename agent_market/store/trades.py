"""Freqtrade's trades and fills, mirrored beside the decisions that led to them.

Freqtrade's own database is the truth; a row here is written again whenever freqtrade's changes. What others
add to a row (`label`, `plan`, `arm`, the book at the order) is left as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, select

from agent_market.records import DEPTH_LIMIT
from agent_market.store.database import Database
from agent_market.store.episode_json import moment, seconds
from agent_market.store.schema import episodes, fills, trades
from agent_market.store.upsert import insert_for

AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class TradeRecord:
    """One trade as freqtrade has it now; see the table `trades` for units. Times are whole seconds, UTC."""

    trade_id: int
    opened_at: datetime
    pair: str
    side: str
    closed_at: datetime | None
    open_rate: float
    close_rate: float | None
    stake: float
    leverage: float
    amount: float
    profit: float | None
    ratio: float | None
    costs: float
    exit_reason: str
    tag: str
    decision: str | None
    mfe: float | None
    mae: float | None


@dataclass(frozen=True, slots=True)
class FillRecord:
    """One filled order of a trade, which (trade_id, opened_at) names; `seconds` runs from order to fill."""

    order_id: str
    trade_id: int
    opened_at: datetime
    pair: str
    side: str
    part: str
    planned: float
    reached: float
    size: float
    ordered_at: datetime
    at: datetime
    seconds: float
    simulated: bool


@dataclass(frozen=True, slots=True)
class Mirrored:
    """A trade with its filled orders."""

    trade: TradeRecord
    fills: tuple[FillRecord, ...]


def mirror_trades(database: Database, scope: str, mirrored: Sequence[Mirrored]) -> None:
    """Write trades and fills in one transaction, each linked to its decision; writing again does no harm.

    :raises StoreFull: no room; none was kept. :raises StoreError: any other failure; none was kept.
    """
    if not mirrored:
        return
    with database.begin() as connection:
        expected = _of_decisions(connection, scope, {m.trade.decision for m in mirrored if m.trade.decision})
        rows = []
        for each in mirrored:
            allowed, mix = expected.get(each.trade.decision or "", (None, None))
            rows.append({**_row(scope, each.trade), "expected": allowed, "mix": mix})
        _write(connection, trades, rows)
        _write(connection, fills, [_row(scope, fill) for each in mirrored for fill in each.fills])


def closed_ids(database: Database, scope: str) -> set[tuple[int, int]]:
    """(trade_id, opened_at in epoch seconds) of the mirrored trades that are closed: they change no more."""
    query = select(trades.c.trade_id, trades.c.opened_at).where(
        trades.c.scope == scope, trades.c.closed_at.is_not(None)
    )
    with database.begin() as connection:
        return {(row.trade_id, row.opened_at) for row in connection.execute(query)}


def trades_closed(
    database: Database, scope: str, since: datetime, before: datetime
) -> tuple[TradeRecord, ...]:
    """Trades that closed within [since, before), in the order in which they closed.

    :raises StoreError: the database fails.
    """
    query = (
        select(trades)
        .where(trades.c.scope == scope)
        .where(trades.c.closed_at >= int(since.timestamp()), trades.c.closed_at < int(before.timestamp()))
        .order_by(trades.c.closed_at, trades.c.trade_id)
    )
    with database.begin() as connection:
        return tuple(_record(TradeRecord, row) for row in connection.execute(query))


def trades_of_decision(database: Database, scope: str, decision: str) -> tuple[TradeRecord, ...]:
    """Trades whose entry tag names the decision, oldest first."""
    query = (
        select(trades)
        .where(trades.c.scope == scope, trades.c.decision == decision)
        .order_by(trades.c.opened_at, trades.c.trade_id)
    )
    with database.begin() as connection:
        return tuple(_record(TradeRecord, row) for row in connection.execute(query))


def newest_fills(database: Database, scope: str, each: int, simulated: bool) -> tuple[FillRecord, ...]:
    """The newest `each` fills of every pair, oldest first.

    :param simulated: those of a dry-run, or those of real orders: one says little about the other.
    """
    pairs = select(fills.c.pair).where(fills.c.scope == scope).distinct().order_by(fills.c.pair)
    found: list[FillRecord] = []
    with database.begin() as connection:
        for pair in connection.scalars(pairs).all():
            query = (
                select(fills)
                .where(fills.c.scope == scope, fills.c.pair == pair, fills.c.simulated.is_(simulated))
                .order_by(fills.c.at.desc(), fills.c.order_id.desc())
                .limit(each)
            )
            found += [_record(FillRecord, row) for row in connection.execute(query)]
    return tuple(sorted(found, key=lambda fill: (fill.at, fill.order_id)))


def _of_decisions(
    connection: Connection, scope: str, decisions: Iterable[str]
) -> dict[str, tuple[float | None, str | None]]:
    ids = sorted(decisions)
    found: dict[str, tuple[float | None, str | None]] = {}
    for start in range(0, len(ids), AT_ONCE):
        query = select(episodes.c.id, episodes.c.allowed, episodes.c.mix).where(
            episodes.c.scope == scope, episodes.c.id.in_(ids[start : start + AT_ONCE])
        )
        for row in connection.execute(query):
            found[row.id] = (None if row.allowed is None else row.allowed / DEPTH_LIMIT, row.mix)
    return found


def _write(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    if not rows:
        return
    insert = insert_for(connection.dialect.name, table)
    keys = [column.name for column in table.primary_key]
    changed = {name: insert.excluded[name] for name in rows[0] if name not in keys}
    connection.execute(insert.on_conflict_do_update(index_elements=keys, set_=changed), list(rows))


def _row(scope: str, record: TradeRecord | FillRecord) -> dict[str, Any]:
    row = {
        name: seconds(value) if isinstance(value, datetime) else value
        for name, value in asdict(record).items()
    }
    return {"scope": scope, **row}


def _record(kind: type[Any], row: Any) -> Any:
    times = ("opened_at", "closed_at", "ordered_at", "at")
    values = {}
    for name in kind.__dataclass_fields__:
        value = getattr(row, name)
        values[name] = moment(value) if name in times and value is not None else value
    return kind(**values)
