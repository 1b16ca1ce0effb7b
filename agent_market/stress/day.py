"""One whole day, candle by candle: freqtrade's backtest of a day of the sandbox."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from freqtrade.data.btanalysis import load_backtest_stats
from freqtrade.data.history import get_datahandler
from freqtrade.enums import CandleType

from agent_market.errors import SandboxError
from agent_market.sandbox.market import Source
from agent_market.sandbox.market.candles import DAY
from agent_market.stress.dry_config import PAIRS, write_config

TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True)
class DayOfTrading:
    """`change` of equity over the day after costs, all positions closed at its end; shares of the start."""

    change: float
    trades: int


def walk(
    folder: Path, url: str, source: Source, day: int, strategy: str, risk: Mapping[str, Any]
) -> DayOfTrading:
    """Backtest `strategy` on the day that begins at `day` (milliseconds), in a process of its own.

    :raises SandboxError: freqtrade failed; its words are in `backtest.log` of the folder.
    """
    data = folder / "data"
    data.mkdir(parents=True)
    handler = get_datahandler(data, "feather")
    for pair in PAIRS:
        frame = source.candles(pair, "1m", day - DAY, day + DAY).to_frame()
        handler.ohlcv_store(pair, "1m", frame, CandleType.SPOT)
    changes = {"stake_amount": "unlimited", "dataformat_ohlcv": "feather"}
    write_config(folder, url, risk, strategy, {}, changes)
    dates = [datetime.fromtimestamp((day + shift) / 1000, UTC).strftime("%Y%m%d") for shift in (0, DAY)]
    command = [sys.executable, "-m", "freqtrade", "backtesting", "--userdir", str(folder)]
    command += ["-c", str(folder / "config.json"), "--datadir", str(data), "--cache", "none"]
    command += ["--timerange", "-".join(dates), "--export", "trades"]
    log = folder / "backtest.log"
    with log.open("wb") as out:
        done = subprocess.run(
            command, stdout=out, stderr=subprocess.STDOUT, timeout=TIMEOUT_S, check=False, cwd=folder
        )
    if done.returncode != 0:
        last = " ".join(log.read_text(errors="replace").split())[-300:]
        raise SandboxError(f"freqtrade's backtest ended with code {done.returncode}: {last}")
    results = folder / "backtest_results"
    newest = json.loads((results / ".last_result.json").read_text())["latest_backtest"]
    stats = load_backtest_stats(results / newest)["strategy"][strategy]
    return DayOfTrading(
        change=float(stats["final_balance"]) / float(stats["starting_balance"]) - 1.0,
        trades=int(stats["total_trades"]),
    )
