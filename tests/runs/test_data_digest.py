"""A backtest on other candles or other context values is another run, and reuses no prediction."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from freqtrade.data.history import get_datahandler
from freqtrade.enums import CandleType, RunMode

from agent_market.books import shelf_digests
from agent_market.runs.data_digest import ALL_SERIES_KEY, candle_digests, candles_digest
from agent_market.runs.identity import derive_identifier, remember_inputs
from tests.helpers.scripted import random_candles


def digest_of_context(config: Mapping[str, Any]) -> str:
    return shelf_digests(config, ("context",))["context"]


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


def put_candles(
    folder: Path,
    candles: pd.DataFrame,
    pair: str = PAIR,
    timeframe: str = "1h",
    kind: CandleType = CandleType.FUTURES,
) -> None:
    (folder / "data" / "futures").mkdir(parents=True, exist_ok=True)
    get_datahandler(folder / "data", "feather").ohlcv_store(pair, timeframe, candles, kind)


def run(folder: Path, **changes: Any) -> str:
    """The identifier of a run that is made, and remembers what it has read."""
    settings = config(folder, **changes)
    settings["freqai"]["identifier"] = derive_identifier(settings, Model)
    remember_inputs(settings, Model)
    return str(settings["freqai"]["identifier"])


def with_features(**features: Any) -> dict[str, Any]:
    return {"freqai": {"identifier": "mine", "train_period_days": 5, "feature_parameters": features}}


def another_price(candles: pd.DataFrame, row: int) -> pd.DataFrame:
    changed = candles.copy()
    changed.loc[row, [c for c in changed if c in ("close", "funding_rate")]] *= 1.01
    return changed


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
    put_candles(tmp_path, candles.iloc[:480])
    before = run(tmp_path)
    put_candles(tmp_path, candles)
    assert run(tmp_path, timerange="20240110-20240125") == before, "a longer run continues a shorter one"
    assert run(tmp_path) == before, "and a shorter one finds what the longer one made"
    put_candles(tmp_path, random_candles(2, 700))
    assert derive_identifier(config(tmp_path), Model) != before


def test_a_candle_inside_the_traded_span_is_another_run_and_one_after_it_is_not(tmp_path: Path) -> None:
    candles = random_candles(1, 700)
    put_candles(tmp_path, candles)
    before = run(tmp_path)
    assert run(tmp_path) == before
    put_candles(tmp_path, another_price(candles, 24 * 19))
    assert run(tmp_path) == before, "it opens at the end of the range"
    put_candles(tmp_path, another_price(candles, 24 * 19 - 1))
    assert run(tmp_path) != before
    put_candles(tmp_path, candles)
    assert run(tmp_path) == before, "the old candles have their old predictions"


def test_what_a_longer_run_read_is_not_taken_over_when_it_has_changed_since(tmp_path: Path) -> None:
    candles = random_candles(1, 700)
    put_candles(tmp_path, candles)
    before = run(tmp_path)
    assert run(tmp_path, timerange="20240110-20240125") == before
    put_candles(tmp_path, another_price(candles, 24 * 22))
    assert run(tmp_path, timerange="20240110-20240125") != before


@pytest.mark.parametrize(
    ("pair", "timeframe", "kind", "is_read"),
    [
        ("ETH/USDT:USDT", "1h", CandleType.FUTURES, True),
        ("BTC/USDT:USDT", "4h", CandleType.FUTURES, True),
        ("ETH/USDT:USDT", "4h", CandleType.FUTURES, True),
        ("BTC/USDT:USDT", "8h", CandleType.FUNDING_RATE, True),
        ("BTC/USDT:USDT", "1h", CandleType.MARK, True),
        ("BTC/USDT:USDT", "1d", CandleType.FUTURES, False),
        ("SOL/USDT:USDT", "1h", CandleType.FUTURES, False),
    ],
)
def test_every_series_that_freqai_reads_counts_and_no_other(
    tmp_path: Path, pair: str, timeframe: str, kind: CandleType, is_read: bool
) -> None:
    read = with_features(include_corr_pairlist=["ETH/USDT:USDT"], include_timeframes=["1h", "4h"])
    candles = random_candles(3, 400)
    candles["funding_rate"] = candles["close"]
    put_candles(tmp_path, random_candles(1, 700))
    put_candles(tmp_path, candles, pair, timeframe, kind)
    before = run(tmp_path, **read)
    put_candles(tmp_path, another_price(candles, 300), pair, timeframe, kind)
    assert (run(tmp_path, **read) != before) == is_read
    any_series = {**read, ALL_SERIES_KEY: True}
    assert (
        candle_digests(config(tmp_path, **any_series)) != candle_digests(config(tmp_path, **read)) or is_read
    )


def test_a_pattern_in_the_pair_list_covers_the_candles_of_the_pairs_that_it_names(tmp_path: Path) -> None:
    named = {"exchange": {"pair_whitelist": ["(BTC|ETH)/USDT:USDT"]}}
    candles = random_candles(1, 700)
    put_candles(tmp_path, candles)
    before = run(tmp_path, **named)
    put_candles(tmp_path, another_price(candles, 24 * 15))
    assert candles_digest(config(tmp_path, **named)) != ""
    assert run(tmp_path, **named) != before


@pytest.mark.parametrize("mode", [RunMode.DRY_RUN, RunMode.LIVE])
def test_a_live_bot_keeps_its_models_whatever_comes_in(tmp_path: Path, mode: RunMode) -> None:
    put_context(tmp_path, ("2024-01-11", 20))
    put_candles(tmp_path, random_candles(1, 700))
    assert digest_of_context(config(tmp_path)) != ""
    assert candles_digest(config(tmp_path)) != ""
    assert digest_of_context(config(tmp_path, runmode=mode)) == ""
    assert candles_digest(config(tmp_path, runmode=mode)) == ""


def test_without_a_file_or_candles_there_is_nothing_to_tell_apart(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    assert digest_of_context(config(tmp_path)) == ""
    assert candles_digest(config(tmp_path)) == ""
    assert candles_digest(config(tmp_path, timerange="")) == ""
    assert candles_digest(config(tmp_path, datadir=None)) == ""
