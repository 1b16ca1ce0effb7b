"""A real dry-run: each fill reaches the store as it happens, and slippage is remembered over a restart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from freqtrade.persistence import Trade
from sqlalchemy import select

from agent_market.queries import run_context as sources
from agent_market.store.database import Database
from agent_market.store.schema import fills, trades
from tests.helpers.dry_bot import DryBot, dry_bot

FILE = {"agent_market": {"jobs": {"in_bot": False}}}


@pytest.fixture(autouse=True)
def _own_stores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_stores", {})


@pytest.fixture
def store(tmp_path: Path) -> Database:
    return Database(f"sqlite:///{tmp_path}/agent_market.sqlite")


def rows(store: Database, table: Any) -> list[Any]:
    with store.begin() as connection:
        return list(connection.execute(select(table)))


def ended(dry: DryBot, happened: Callable[[], bool]) -> None:
    for _ in range(20):
        dry.process()
        if happened():
            return
    raise AssertionError("it did not happen in 20 iterations")


def test_entry_and_exit_are_mirrored_from_the_bots_messages(tmp_path: Path, store: Database) -> None:
    changes = {**FILE, "db_url": f"sqlite:///{tmp_path}/trades.sqlite"}
    with dry_bot(tmp_path, changes) as dry:
        ended(dry, lambda: any(not t.has_open_orders for t in Trade.get_open_trades()))
        traded = next(t for t in Trade.get_open_trades() if not t.has_open_orders)
        number, tag = traded.id, traded.enter_tag
        dry.rpc._rpc_force_exit(str(number), "market")
        ended(dry, lambda: not Trade.get_trades([Trade.id == number]).first().is_open)
        closed = Trade.get_trades([Trade.id == number]).first()
        profit, reason = closed.close_profit_abs, closed.exit_reason
        orders = {order.order_id for order in closed.orders}
    found = {row.trade_id: row for row in rows(store, trades)}[number]
    assert found.closed_at is not None
    assert found.profit == pytest.approx(profit)
    assert (found.exit_reason, found.tag, found.decision) == (reason, tag, tag.split(" ")[-1])
    assert {row.order_id for row in rows(store, fills) if row.trade_id == number} == orders
    assert all(row.simulated for row in rows(store, fills))


def test_slippage_before_a_restart_counts_after_it(tmp_path: Path, store: Database) -> None:
    changes = {**FILE, "db_url": f"sqlite:///{tmp_path}/trades.sqlite"}
    with dry_bot(tmp_path, changes) as dry:
        ended(dry, lambda: any(not t.has_open_orders for t in Trade.get_open_trades()))
        before = {pair: dry.attachment.desk.fills.mean_slippage(pair) for pair in dry.open_notional()}
    known = {pair: mean for pair, mean in before.items() if mean is not None}
    assert known
    with dry_bot(tmp_path, changes) as again:
        for pair, mean in known.items():
            assert again.attachment.desk.fills.mean_slippage(pair) == pytest.approx(mean)


def test_what_the_listener_missed_is_repaired_from_freqtrades_database(
    tmp_path: Path, store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent_market.bot.journal.trade_mirror.FILLS", frozenset())
    often = {"agent_market": {"jobs": {"trades_minutes": 0.001}}}
    with dry_bot(tmp_path, {**often, "db_url": f"sqlite:///{tmp_path}/trades.sqlite"}) as dry:
        ended(dry, lambda: any(not t.has_open_orders for t in Trade.get_open_trades()))
        ended(dry, lambda: bool(rows(store, trades)))
    assert rows(store, fills)
