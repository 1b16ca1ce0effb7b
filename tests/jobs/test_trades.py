"""Trades and fills in the store: mirrored whole, linked to decisions; freqtrade's own are only read."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from freqtrade.persistence import Trade
from sqlalchemy import create_engine, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from agent_market.errors import ConfigError, DataError
from agent_market.jobs import heavy, light
from agent_market.jobs.freqtrade_db import FreqtradeTrades, freqtrade_trades, read_only_engine
from agent_market.jobs.job import JobContext
from agent_market.records import Episode
from agent_market.store.schema import fills, trades
from agent_market.store.trades import newest_fills, trades_closed, trades_of_decision
from tests.helpers.benches import OTHER, PAIR, bench_in, config_in, decided, store_in, trades_in
from tests.helpers.episode_makers import at


def with_depth(episode: Episode, depth: float) -> Episode:
    return replace(episode, verdict=replace(episode.verdict, depth=depth))


@pytest.fixture(params=["sqlite", "postgresql"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> JobContext:
    """A store on SQLite, beside freqtrade's trades on either."""
    url = request.getfixturevalue("empty_postgres") if request.param == "postgresql" else None
    store_in(tmp_path, [with_depth(decided(2), 4.0)])
    trades_in(tmp_path, url)
    found = bench_in(tmp_path, at(33))
    return found if url is None else replace(found, trades=FreqtradeTrades(url, simulated=True))


def test_every_trade_is_mirrored_with_its_fills_and_linked_to_its_decision(bench: JobContext) -> None:
    assert light.trades(bench) == {"trades": 3}
    first, second = trades_closed(bench.database, "live", at(0), at(48))
    assert (first.trade_id, first.pair, first.side, first.decision) == (1, PAIR, "long", f"{PAIR}@2")
    assert (first.opened_at, first.closed_at, first.exit_reason) == (at(2), at(10), "roi")
    assert (first.profit, first.ratio, first.close_rate) == (2.0, 0.02, 102.0)
    assert first.mfe == pytest.approx(0.10)
    assert first.mae == pytest.approx(-0.05)
    assert first.costs == pytest.approx(0.001 * 100.5 + 0.001 * 102.0)
    assert (second.pair, second.decision) == (OTHER, None)
    with bench.database.begin() as connection:
        open_one = connection.execute(select(trades).where(trades.c.trade_id == 3)).one()
        linked = connection.execute(select(trades).where(trades.c.trade_id == 1)).one()
        bought = connection.execute(select(fills).where(fills.c.order_id == "in-1")).one()
        assert connection.execute(select(fills.c.order_id).order_by(fills.c.order_id)).scalars().all() == [
            "in-1",
            "in-2",
            "in-3",
            "out-1",
            "out-2",
        ]
    assert (open_one.closed_at, open_one.ratio) == (None, None)
    assert linked.expected == pytest.approx(0.4)
    assert (bought.side, bought.part, bought.planned, bought.reached) == ("buy", "entry", 100.0, 100.5)
    assert (bought.seconds, bought.simulated) == (30.0, True)
    assert trades_of_decision(bench.database, "live", f"{PAIR}@2") == (first,)
    assert trades_closed(bench.database, "live", at(11), at(30)) == ()


def test_only_what_changed_is_read_again_and_what_others_noted_stays(bench: JobContext) -> None:
    light.trades(bench)
    with bench.database.begin() as connection:
        connection.execute(update(trades).where(trades.c.trade_id == 3).values(label="patient", plan="p1"))
    assert light.trades(bench) == {"trades": 1}, "the open one alone"
    assert bench.trades is not None
    engine = create_engine(bench.trades.url)
    with Session(engine) as session:
        trade = session.get_one(Trade, 3)
        trade.is_open, trade.close_date, trade.close_rate = False, at(32).replace(tzinfo=None), 101.0
        trade.close_profit, trade.close_profit_abs = 0.01, 1.0
        session.commit()
    engine.dispose()
    assert light.trades(bench) == {"trades": 1}
    assert light.trades(bench) == {"trades": 0}
    with bench.database.begin() as connection:
        row = connection.execute(select(trades).where(trades.c.trade_id == 3)).one()
    assert (row.profit, row.label, row.plan) == (1.0, "patient", "p1")


def test_no_connection_can_write(bench: JobContext) -> None:
    assert bench.trades is not None
    engine = read_only_engine(bench.trades.url)
    for statement in ("DELETE FROM trades", "CREATE TABLE mine (id INTEGER)"):
        with pytest.raises(DBAPIError, match=r"read-?only"), engine.begin() as connection:
            connection.execute(text(statement))


def test_a_new_trades_database_that_counts_from_1_again_overwrites_nothing(tmp_path: Path) -> None:
    database = store_in(tmp_path)
    trades_in(tmp_path)
    light.trades(bench_in(tmp_path))
    (tmp_path / "trades.sqlite").unlink()
    trades_in(tmp_path)
    with closing(sqlite3.connect(tmp_path / "trades.sqlite")) as connection, connection:
        connection.execute("UPDATE trades SET open_date = datetime(open_date, '+7 days')")
        connection.execute("UPDATE orders SET order_id = order_id || '-second'")
    light.trades(bench_in(tmp_path))
    with database.begin() as connection:
        rows = connection.execute(select(trades.c.trade_id).order_by(trades.c.trade_id)).scalars().all()
    assert rows == [1, 1, 2, 2, 3, 3]


def test_the_bot_writes_at_once_while_its_trades_are_read(tmp_path: Path) -> None:
    file = trades_in(tmp_path)
    engine = read_only_engine(f"sqlite:///{file}")
    with engine.begin() as reader:
        assert len(reader.execute(text("SELECT * FROM trades")).all()) == 3
        # With a timeout of 0 any lock in its way would raise.
        with closing(sqlite3.connect(file, timeout=0)) as bot, bot:
            bot.execute("UPDATE trades SET amount = 2 WHERE id = 3")


def test_a_review_leaves_the_trades_database_as_it_was_and_goes_on_without_one(tmp_path: Path) -> None:
    store_in(tmp_path, [decided(2)])
    file = trades_in(tmp_path)
    before = file.read_bytes()
    assert heavy.review(bench_in(tmp_path, at(32)))["trades"] == 1
    assert file.read_bytes() == before
    file.unlink()
    assert heavy.review(bench_in(tmp_path, at(56)))["trades"] == 1, "of the second day, mirrored before"
    assert not file.exists(), "and none is made"


def test_what_cannot_be_read_says_so(tmp_path: Path) -> None:
    def reading(**config: Any) -> FreqtradeTrades | None:
        return freqtrade_trades({**config_in(tmp_path), **config})

    with pytest.raises(DataError, match=r"no trades database at .*absent\.sqlite"):
        list(FreqtradeTrades(f"sqlite:///{tmp_path}/absent.sqlite", True).changed(set()))
    (tmp_path / "other.sqlite").write_text("no database, " * 20)
    with pytest.raises(DataError, match="cannot read freqtrade's trades from"):
        list(FreqtradeTrades(f"sqlite:///{tmp_path}/other.sqlite", True).changed(set()))
    with pytest.raises(DataError, match="cannot read freqtrade's trades from") as refused:
        list(FreqtradeTrades("postgresql+psycopg://anna:secret@127.0.0.1:1/x", True).changed(set()))
    assert "secret" not in str(refused.value)
    with pytest.raises(ConfigError, match="use SQLite or PostgreSQL") as unknown:
        reading(db_url="mysql://anna:secret@localhost/trades")
    assert "secret" not in str(unknown.value)
    assert reading(db_url="sqlite://") is None
    assert reading(db_url=None) == FreqtradeTrades("sqlite:///tradesv3.dryrun.sqlite", True)
    assert reading(db_url=None, dry_run=False) == FreqtradeTrades("sqlite:///tradesv3.sqlite", False)


def test_the_newest_fills_of_each_pair_are_those_of_its_kind(tmp_path: Path) -> None:
    database = store_in(tmp_path)
    trades_in(tmp_path)
    light.trades(bench_in(tmp_path))
    assert [fill.order_id for fill in newest_fills(database, "live", 2, simulated=True)] == [
        "in-2",
        "out-1",
        "out-2",
        "in-3",
    ]
    assert newest_fills(database, "live", 2, simulated=False) == ()
