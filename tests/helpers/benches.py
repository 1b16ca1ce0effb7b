"""A store with decisions, candles around them, freqtrade's trades, and the bench of a job over all of it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

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


def trades_in(folder: Path) -> Path:
    """Freqtrade's trades, as far as jobs read them: one closed on each of the first two days, one open."""
    file = folder / "trades.sqlite"
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(
            "CREATE TABLE trades (id INTEGER PRIMARY KEY, pair TEXT, is_open BOOLEAN, close_profit FLOAT, "
            "close_profit_abs FLOAT, close_date DATETIME)"
        )
        rows = [
            (1, PAIR, 0, 0.02, 2.0, f"{at(10):%Y-%m-%d %H:%M:%S.%f}"),
            (2, OTHER, 0, -0.01, -1.0, f"{at(30):%Y-%m-%d %H:%M:%S.%f}"),
            (3, PAIR, 1, None, None, None),
        ]
        connection.executemany("INSERT INTO trades VALUES (?, ?, ?, ?, ?, ?)", rows)
    return file
