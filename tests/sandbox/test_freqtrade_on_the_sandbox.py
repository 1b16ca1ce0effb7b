"""Real freqtrade, as its users start it, on the sandbox."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from agent_market.sandbox.endpoints import write_overlay
from agent_market.sandbox.exchange import create_exchange_app
from agent_market.sandbox.market import FeatherSource, LiveMarket, Source, StandingMarket, SyntheticSource
from agent_market.sandbox.market.candles import DAY
from agent_market.sandbox.market.clock import wall_clock
from agent_market.sandbox.pytest_plugin import SandboxExchange
from agent_market.sandbox.server import running

pytestmark = pytest.mark.slow

COINS = ("BTC", "ETH", "BNB", "SOL", "XRP")
SPOT = [f"{coin}/USDT" for coin in COINS]
PERPETUALS = [f"{coin}/USDT:USDT" for coin in COINS]
PRICING = {"price_side": "other", "use_order_book": True, "order_book_top": 1}
BASE: Mapping[str, Any] = {
    "stake_currency": "USDT",
    "stake_amount": 500,
    "max_open_trades": 5,
    "dry_run": True,
    "dry_run_wallet": 10_000,
    "trading_mode": "spot",
    "entry_pricing": PRICING,
    "exit_pricing": PRICING,
    "exchange": {"name": "binance", "pair_whitelist": SPOT},
    "pairlists": [{"method": "StaticPairList"}],
}
FUTURES = {
    **BASE,
    "trading_mode": "futures",
    "margin_mode": "isolated",
    "exchange": {"name": "binance", "pair_whitelist": PERPETUALS},
}
STRATEGY = '''
import datetime

from freqtrade.strategy import IStrategy


class EveryOtherHour(IStrategy):
    """Buys in even candles and sells in odd ones."""

    INTERFACE_VERSION = 3
    timeframe = "TIMEFRAME"
    can_short = False
    minimal_roi = {"0": 10}
    stoploss = -0.5
    startup_candle_count = 0

    def populate_indicators(self, dataframe, metadata):
        step = dataframe["date"].diff().iloc[-1]
        dataframe["even"] = (dataframe["date"] - dataframe["date"].dt.floor("1D")) // step % 2
        return dataframe

    def populate_entry_trend(self, dataframe, metadata):
        dataframe["enter_long"] = (dataframe["even"] == 0).astype(int)
        return dataframe

    def populate_exit_trend(self, dataframe, metadata):
        dataframe["exit_long"] = (dataframe["even"] == 1).astype(int)
        return dataframe
'''


class Bot:
    """A freqtrade installation in a folder, pointed at an exchange."""

    def __init__(
        self, folder: Path, url: str, config: Mapping[str, Any] = BASE, timeframe: str = "1h"
    ) -> None:
        self.folder = folder
        (folder / "strategies").mkdir(parents=True, exist_ok=True)
        (folder / "strategies" / "every_other.py").write_text(STRATEGY.replace("TIMEFRAME", timeframe))
        (folder / "config.json").write_text(json.dumps(config))
        write_overlay(folder / "endpoints.json", url)

    def command(self, *arguments: str) -> list[str]:
        files = [str(self.folder / name) for name in ("config.json", "endpoints.json")]
        places = ["-c", files[0], "-c", files[1], "--userdir", str(self.folder)]
        return [sys.executable, "-m", "freqtrade", *arguments, *places]

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            self.command(*arguments),
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
            cwd=self.folder,
            env={**os.environ, "COLUMNS": "200"},  # or its tables cut names short
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def candles(self, name: str) -> pd.DataFrame:
        return pd.read_feather(self.folder / "data" / "binance" / f"{name}.feather")


def millis(*date: int) -> int:
    return int(datetime(*date, tzinfo=UTC).timestamp() * 1000)


def assert_same_candles(downloaded: pd.DataFrame, source: pd.DataFrame) -> None:
    units = source.assign(date=source["date"].dt.as_unit(downloaded["date"].dt.unit))
    pd.testing.assert_frame_equal(downloaded, units.reset_index(drop=True), check_exact=True)


def test_spot_download_is_the_synthetic_market_candle_for_candle(tmp_path: Path) -> None:
    start, end = millis(2024, 1, 1), millis(2024, 7, 1)
    source = SyntheticSource(7, start=start, end=end)
    with running(create_exchange_app(StandingMarket(source))) as url:
        bot = Bot(tmp_path, url)
        bot.run("download-data", "--timerange", "20240101-20240701", "-t", "1h", "1d")
    for coin in COINS:
        for timeframe in ("1h", "1d"):
            made = source.candles(f"{coin}/USDT", timeframe, start, end).to_frame()
            assert_same_candles(bot.candles(f"{coin}_USDT-{timeframe}"), made)


def test_spot_download_is_the_real_folder_candle_for_candle(tmp_path: Path, test_data: Path) -> None:
    app = create_exchange_app(StandingMarket(FeatherSource(test_data / "candles")))
    with running(app) as url:
        bot = Bot(tmp_path, url)
        bot.run("download-data", "--timerange", "20200901-20251001", "-t", "1h")
    for coin in COINS:
        name = f"{coin}_USDT-1h"
        assert_same_candles(
            bot.candles(name), pd.read_feather(test_data / "candles" / "binance" / f"{name}.feather")
        )
    assert set(app.state.requests.by_path()) == {
        "/api/v3/exchangeInfo",
        "/fapi/v1/exchangeInfo",
        "/api/v3/klines",
    }


def test_pairs_and_markets_are_listed(tmp_path: Path, sandbox_exchange: SandboxExchange) -> None:
    spot = Bot(tmp_path / "spot", sandbox_exchange.url)
    assert re.findall(r'"(\w+/\w+)"', spot.run("list-pairs", "--print-json")) == sorted(SPOT)
    futures = Bot(tmp_path / "futures", sandbox_exchange.url, FUTURES)
    listed = futures.run("list-markets", "--print-json")
    assert set(PERPETUALS) <= set(re.findall(r'"(\w+/\w+:\w+)"', listed))


def test_futures_download_brings_mark_and_funding_and_a_backtest_runs_on_them(tmp_path: Path) -> None:
    source: Source = SyntheticSource(7, start=millis(2024, 1, 1), end=millis(2024, 4, 1))
    with running(create_exchange_app(StandingMarket(source))) as url:
        bot = Bot(tmp_path, url, FUTURES)
        bot.run("download-data", "--timerange", "20240101-20240401", "-t", "1h")
        candles = source.candles("BTC/USDT", "1h", *source.span("BTC/USDT")).to_frame()
        assert_same_candles(bot.candles("futures/BTC_USDT_USDT-1h-futures"), candles)
        mark = bot.candles("futures/BTC_USDT_USDT-1h-mark")
        assert_same_candles(mark, candles.assign(volume=0.0))
        funding = bot.candles("futures/BTC_USDT_USDT-1h-funding_rate")
        assert (funding["date"].diff().iloc[1:] == pd.Timedelta(hours=8)).all()
        assert funding["funding_rate"].between(-0.003, 0.003).all()
        assert len(funding) == 3 * 91 - 3
        text = bot.run(
            "backtesting",
            "--strategy",
            "EveryOtherHour",
            "--timerange",
            "20240110-20240201",
            "--cache",
            "none",
        )
    assert "BTC/USDT:USDT" in text
    assert trades_of(text) > 100


def test_a_plain_spot_backtest_trades(tmp_path: Path) -> None:
    source = SyntheticSource(7, start=millis(2024, 1, 1), end=millis(2024, 3, 1))
    with running(create_exchange_app(StandingMarket(source))) as url:
        bot = Bot(tmp_path, url)
        bot.run("download-data", "--timerange", "20240101-20240301", "-t", "1h")
        text = bot.run("backtesting", "--strategy", "EveryOtherHour", "--timerange", "20240101-20240301")
    assert trades_of(text) > 1000


def test_a_dry_run_on_the_live_market_opens_and_closes_trades(tmp_path: Path) -> None:
    """One-minute candles on the wall clock: a trade is opened in an even minute and closed in an odd one."""
    source = SyntheticSource(7, start=wall_clock() // DAY * DAY - 30 * DAY)
    app = create_exchange_app(LiveMarket(source))
    log, trades = tmp_path / "bot.log", tmp_path / "trades.sqlite"
    with running(app) as url:
        config = {
            **BASE,
            "initial_state": "running",
            "internals": {"process_throttle_secs": 1},
            "db_url": f"sqlite:///{trades}",
        }
        bot = Bot(tmp_path, url, config, "1m")
        command = bot.command("trade", "--strategy", "EveryOtherHour")
        with log.open("w") as out, subprocess.Popen(command, stdout=out, stderr=out, cwd=tmp_path) as process:
            try:
                closed = wait_for_closed_trades(trades, log, process, 240)
                text = log.read_text()  # a signal in the middle of a commit is a traceback of freqtrade's own
            finally:
                process.terminate()
            process.wait(60)
    assert not re.search(r"Traceback|Time jump|Could not|raised exception|deviates", text), text[-3000:]
    for pair, opened, left in closed:
        candles = source.candles(pair, "1m", wall_clock() - DAY, wall_clock())
        assert (
            candles.low.min() * 0.999 <= min(opened, left) <= max(opened, left) <= candles.high.max() * 1.001
        )
    asked = app.state.requests.by_path()
    assert {"/api/v3/klines", "/api/v3/depth", "/api/v3/time"} <= set(asked)


def trades_of(text: str) -> int:
    """Total trades of a backtest, from freqtrade's summary."""
    found = re.search(r"Total/Daily Avg Trades\s*[|│]\s*(\d+)", text)
    assert found, text[-3000:]
    return int(found[1])


def wait_for_closed_trades(
    database: Path, log: Path, process: subprocess.Popen[bytes], seconds: float
) -> list[tuple[str, float, float]]:
    """Pair, open and close rate of the closed trades, as soon as there are any."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()[-3000:]
        closed = closed_trades(database) if database.exists() else []
        if closed:
            return closed
        time.sleep(1)
    pytest.fail(f"no trade was closed in {seconds:.0f} s: {log.read_text()[-3000:]}")


def closed_trades(database: Path) -> list[tuple[str, float, float]]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'trades'").fetchall():
            return []  # freqtrade has only just made the file
        return connection.execute(
            "SELECT pair, open_rate, close_rate FROM trades WHERE is_open = 0"
        ).fetchall()
