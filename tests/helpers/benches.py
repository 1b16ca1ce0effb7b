"""A store with decisions, candles around them, freqtrade's trades, and the bench of a job over all of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
from freqtrade.persistence import Order, Trade
from freqtrade.persistence.base import ModelBase
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from agent_market.jobs.job import JobContext
from agent_market.jobs.worker import WorkerContext
from agent_market.records import Episode
from agent_market.store.database import Database
from agent_market.store.episodes import write_episodes
from tests.helpers.episode_makers import START, a_view, an_episode, an_outcome, at

PAIR, OTHER = "BTC/USDT", "ETH/USDT"


def candles(count: int = 48, start: datetime = START, drift: float = 1.0) -> pd.DataFrame:
    """Hourly candles; candle n opens at 100 + n and closes at 101 + n."""
    opens = pd.Series([100.0 + drift * n for n in range(count)])
    return pd.DataFrame(
        {
            "date": pd.date_range(start, periods=count, freq="h"),
            "open": opens,
            "high": opens + 2.0,
            "low": opens - 1.0,
            "close": opens + drift,
            "volume": 10.0,
        }
    )


def decided(hour: int, pair: str = PAIR, known: int | None = None, moved: float = 0.01) -> Episode:
    """A decision of the live bot; with an outcome that became known at hour `known`."""
    outcome = None if known is None else an_outcome(known, moved)
    episode = an_episode(hour, state=(float(hour), 1.0), scope="live", pair=pair, outcome=outcome)
    return replace(episode, view=a_view(hour, (float(hour), 1.0), pair=pair))


@dataclass
class Told:
    """What a job said, and whether it is wanted."""

    lines: list[str] = field(default_factory=list)
    wanted: bool = True

    def __call__(self, level: str, text: str) -> None:
        self.lines.append(f"{level}: {text}")


def config_in(folder: Path, **settings: Any) -> dict[str, Any]:
    """A bot's config over `folder` as user_data; the file is there too."""
    config = {
        "user_data_dir": str(folder),
        "datadir": str(folder / "data"),
        "dry_run": True,
        "db_url": f"sqlite:///{folder / 'trades.sqlite'}",
        "stake_currency": "USDT",
        "stake_amount": 100,
        "max_open_trades": 2,
        "dry_run_wallet": 1000,
        "timeframe": "1h",
        "exchange": {"name": "binance", "pair_whitelist": [PAIR, OTHER]},
        "entry_pricing": {},
        "exit_pricing": {},
        "pairlists": [{"method": "StaticPairList"}],
        "agent_market": settings,
    }
    (folder / "data").mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    return config


def store_in(folder: Path, episodes: Sequence[Episode] = ()) -> Database:
    """The bot's store."""
    database = Database(f"sqlite:///{folder}/agent_market.sqlite")
    write_episodes(database, episodes)
    return database


def bench_in(
    folder: Path,
    now: datetime = START + timedelta(days=2),
    told: Told | None = None,
    frames: dict[str, pd.DataFrame] | None = None,
    **settings: Any,
) -> JobContext:
    """The bench of a worker, with candles from memory where `frames` are given."""
    said = told or Told()
    place = WorkerContext.of(config_in(folder, **settings), said, lambda: said.wanted)
    bench = place.bench(now)
    if frames is None:
        return bench
    return replace(bench, prices=lambda pair, start: _from(frames.get(pair, pd.DataFrame()), start))


def _from(frame: pd.DataFrame, start: datetime) -> pd.DataFrame:
    return frame[frame["date"] >= start] if len(frame) else frame


def a_trade(number: int, pair: str, hour: int, closed: int | None, profit: float = 0.0, **more: Any) -> Trade:
    """A trade of freqtrade's: opened at an hour for 100 at 100, and closed at hour `closed` with a profit."""
    trade = Trade(
        id=number,
        exchange="binance",
        pair=pair,
        base_currency=pair.partition("/")[0],
        stake_currency="USDT",
        is_open=closed is None,
        fee_open=0.001,
        fee_close=0.001,
        open_rate=100.0,
        open_trade_value=100.1,
        stake_amount=100.0,
        amount=1.0,
        open_date=at(hour).replace(tzinfo=None),
        max_rate=110.0,
        min_rate=95.0,
        **more,
    )
    trade.orders.append(an_order(f"in-{number}", pair, "buy", 100.0, 100.5, hour))
    if closed is not None:
        trade.close_date = at(closed).replace(tzinfo=None)
        trade.close_rate = 100.0 + profit
        trade.close_profit, trade.close_profit_abs = profit / 100.0, profit
        trade.exit_reason = "roi"
        trade.orders.append(an_order(f"out-{number}", pair, "sell", 100.0 + profit, 100.0 + profit, closed))
    return trade


def an_order(name: str, pair: str, side: str, planned: float, reached: float, hour: int) -> Order:
    """A filled order for one coin; it took 30 seconds."""
    return Order(
        order_id=name,
        ft_pair=pair,
        symbol=pair,
        ft_order_side=side,
        side=side,
        ft_is_open=False,
        status="closed",
        ft_amount=1.0,
        amount=1.0,
        filled=1.0,
        remaining=0.0,
        ft_price=planned,
        price=planned,
        average=reached,
        order_date=(at(hour) - timedelta(seconds=30)).replace(tzinfo=None),
        order_filled_date=at(hour).replace(tzinfo=None),
    )


def trades_in(folder: Path, url: str | None = None) -> Path:
    """Freqtrade's database as freqtrade makes it: a trade closed on each of the first two days, one open."""
    file = folder / "trades.sqlite"
    engine = create_engine(url or f"sqlite:///{file}")
    if url is None:
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
    ModelBase.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all(
            [
                a_trade(1, PAIR, 2, 10, 2.0, enter_tag=f"buy {PAIR}@2"),
                a_trade(2, OTHER, 5, 30, -1.0),
                a_trade(3, PAIR, 31, None),
            ]
        )
        session.commit()
    engine.dispose()
    return file
