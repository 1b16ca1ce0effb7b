"""A second run on FreqAI's cached predictions trades as the first one did."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from agent_market.sandbox.market import StandingMarket, SyntheticSource
from tests.helpers.workspace import make_workspace, sandbox

CONFIG: dict[str, Any] = {
    "timeframe": "1h",
    "exchange": {"pair_whitelist": ["BTC/USDT", "ETH/USDT"]},
    "freqai": {"identifier": "cached", "train_period_days": 20, "backtest_period_days": 20},
    "agent_market": {"decision": {"cadence_candles": 12, "hold_threshold": 0.5}},
}
COLUMNS = ("pair", "open_date", "close_date", "stake_amount", "profit_abs")


def newest_trades(user_data: Path) -> list[tuple[Any, ...]]:
    file = max((user_data / "backtest_results").glob("*.zip"), key=lambda f: f.stat().st_mtime_ns)
    with zipfile.ZipFile(file) as archive:
        name = next(n for n in archive.namelist() if n.endswith(".json") and "config" not in n)
        (result,) = json.loads(archive.read(name))["strategy"].values()
    return [tuple(trade[column] for column in COLUMNS) for trade in result["trades"]]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_backtest_on_cached_predictions_trades_as_the_first(tmp_path: Path) -> None:
    with sandbox(StandingMarket(SyntheticSource(seed=7))) as (endpoints, _):
        workspace = make_workspace(tmp_path, endpoints)
        workspace.config(CONFIG)
        downloaded = workspace.download("20231001-20240415")
        assert downloaded.code == 0, downloaded.output
        made = []
        for _ in range(2):
            run = workspace.backtest("20240301-20240401", "--export", "trades")
            assert run.code == 0, run.output[-4000:]
            made.append(newest_trades(workspace.user_data))
    assert "Found backtesting prediction file" in run.text
    assert made[0], "nothing was traded: the test has become tame"
    assert made[0] == made[1]
