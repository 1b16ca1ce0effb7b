"""A backtest on other candles or other context values is another run, and reuses no prediction."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from freqtrade.data.history import get_datahandler
from freqtrade.enums import CandleType, RunMode

from agent_market.runs.data_digest import candles_digest, context_digest
from agent_market.runs.identity import derive_identifier
from tests.helpers.scripted import random_candles

PAIR = "BTC/USDT:USDT"


class Model:
    pass


def config(folder: Path, **changes: Any) -> dict[str, Any]:
    series = {
        "name": "fear_greed",
        "path": "context/fear_greed.csv",
        "value_column": "value",
        "time_column": "date",
    }
    return {
        "user_data_dir": folder,
        "datadir": folder / "data",
        "timeframe": "1h",
        "timerange": "20240110-20240120",
        "runmode": RunMode.BACKTEST,
        "trading_mode": "futures",
        "exchange": {"pair_whitelist": [PAIR]},
        "freqai": {"identifier": "mine", "train_period_days": 5},
        "agent_market": {"perception": {"context": [series]}},
        **changes,
    }


def put_context(folder: Path, *values: tuple[str, int]) -> None:
    (folder / "context").mkdir(exist_ok=True)
    lines = [f"{day},{value}" for day, value in values]
    (folder / "context" / "fear_greed.csv").write_text("\n".join(["date,value", *lines]) + "\n")


def put_candles(folder: Path, candles: pd.DataFrame) -> None:
    (folder / "data" / "futures").mkdir(parents=True, exist_ok=True)
    get_datahandler(folder / "data", "feather").ohlcv_store(PAIR, "1h", candles, CandleType.FUTURES)


def test_another_value_of_a_context_series_is_another_run_and_one_known_later_is_not(tmp_path: Path) -> None:
    put_context(tmp_path, ("2024-01-11", 20), ("2024-01-12", 30))
    before = derive_identifier(config(tmp_path), Model)
    put_context(tmp_path, ("2024-01-11", 20), ("2024-01-12", 30), ("2024-01-20", 99))
    assert derive_identifier(config(tmp_path), Model) == before, "known at the end of the day that it is for"
    put_context(tmp_path, ("2024-01-11", 20), ("2024-01-12", 31))
    assert derive_identifier(config(tmp_path), Model) != before


def test_candles_of_another_market_are_another_run_and_candles_after_the_start_are_not(
    tmp_path: Path,
) -> None:
    candles = random_candles(1, 700)
    put_candles(tmp_path, candles.iloc[:400])
    before = derive_identifier(config(tmp_path), Model)
    put_candles(tmp_path, candles)
    assert derive_identifier(config(tmp_path, timerange="20240110-20240125"), Model) == before
    put_candles(tmp_path, random_candles(2, 700))
    assert derive_identifier(config(tmp_path), Model) != before


@pytest.mark.parametrize("mode", [RunMode.DRY_RUN, RunMode.LIVE])
def test_a_live_bot_keeps_its_models_whatever_comes_in(tmp_path: Path, mode: RunMode) -> None:
    put_context(tmp_path, ("2024-01-11", 20))
    put_candles(tmp_path, random_candles(1, 700))
    assert context_digest(config(tmp_path)) != ""
    assert candles_digest(config(tmp_path)) != ""
    assert context_digest(config(tmp_path, runmode=mode)) == ""
    assert candles_digest(config(tmp_path, runmode=mode)) == ""


def test_without_a_file_or_candles_there_is_nothing_to_tell_apart(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    assert context_digest(config(tmp_path)) == ""
    assert candles_digest(config(tmp_path)) == ""
    assert candles_digest(config(tmp_path, timerange="")) == ""
    assert candles_digest(config(tmp_path, datadir=None)) == ""
