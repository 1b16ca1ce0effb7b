"""A folder of feather files as a market."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from agent_market.errors import DataError, SandboxError
from agent_market.sandbox.market import FeatherSource
from agent_market.sandbox.market.candles import DAY, HOUR

START = int(pd.Timestamp("2024-01-01", tz="UTC").timestamp() * 1000)


def frame(hours: int = 48, unit: str = "ms") -> pd.DataFrame:
    close = 100 + np.round(np.sin(np.arange(hours) / 3), 2)
    opened = np.r_[100.0, close[:-1]]
    return pd.DataFrame(
        {
            "date": pd.date_range("2024-01-01", periods=hours, freq="1h", tz="UTC").as_unit(unit),
            "open": opened,
            "high": np.maximum(opened, close) + 0.25,
            "low": np.minimum(opened, close) - 0.25,
            "close": close,
            "volume": np.arange(hours) + 0.5,
        }
    )


def write(folder: Path, table: pd.DataFrame, name: str = "BTC_USDT-1h") -> Path:
    folder.mkdir(exist_ok=True)
    table.to_feather(folder / f"{name}.feather")
    return folder


def test_it_serves_the_file_and_larger_timeframes(tmp_path: Path) -> None:
    source = FeatherSource(write(tmp_path, frame()))
    assert source.pairs == ("BTC/USDT",)
    assert source.timeframes == ("1h", "2h", "4h", "6h", "8h", "12h", "1d", "1w")
    pd.testing.assert_frame_equal(source.candles("BTC/USDT", "1h", 0, START + 99 * DAY).to_frame(), frame())
    days = source.candles("BTC/USDT", "1d", START, START + 2 * DAY)
    assert days.volume.tolist() == [24 * 12.0, 24 * 36.0]
    assert source.span("BTC/USDT") == (START, START + 48 * HOUR)


def test_a_file_of_the_timeframe_asked_for_goes_before_resampling(tmp_path: Path) -> None:
    write(tmp_path, frame())
    four = frame(12).assign(date=pd.date_range("2024-01-01", periods=12, freq="4h", tz="UTC"), volume=7.0)
    source = FeatherSource(write(tmp_path, four, "BTC_USDT-4h"))
    assert set(source.candles("BTC/USDT", "4h", 0, START + 9 * DAY).volume) == {7.0}
    assert set(source.candles("BTC/USDT", "8h", 0, START + 9 * DAY).volume) == {14.0}


def test_the_sub_folder_of_the_exchange_is_found(tmp_path: Path) -> None:
    write(tmp_path / "binance", frame())
    assert FeatherSource(tmp_path).pairs == ("BTC/USDT",)


def test_a_gap_in_candles_is_absent_not_zero(tmp_path: Path) -> None:
    gapped = frame().drop(index=range(5, 9)).reset_index(drop=True)
    got = FeatherSource(write(tmp_path, gapped)).candles("BTC/USDT", "1h", START, START + DAY)
    assert len(got) == 20
    assert START + 5 * HOUR not in got.time


def test_prices_keep_the_decimals_they_are_written_with(tmp_path: Path) -> None:
    assert FeatherSource(write(tmp_path, frame())).price_decimals("BTC/USDT") == 2


def test_a_range_can_be_cut_out(tmp_path: Path) -> None:
    source = FeatherSource(write(tmp_path, frame()), start=START + HOUR, end=START + 3 * HOUR)
    assert source.span("BTC/USDT") == (START + HOUR, START + 3 * HOUR)


def test_an_empty_folder_is_an_error_that_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"BTC_USDT-1h\.feather"):
        FeatherSource(tmp_path)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (frame().drop(columns="volume"), "no column volume"),
        (frame().iloc[:0], "holds no candle"),
        (frame().assign(close=[*([1.0] * 47), np.nan]), "row 47"),
        (frame().iloc[::-1].reset_index(drop=True), "row 1 .* is not later"),
    ],
)
def test_a_bad_file_is_named_with_what_is_wrong(tmp_path: Path, table: pd.DataFrame, words: str) -> None:
    with pytest.raises(DataError, match=rf"BTC_USDT-1h\.feather.*{words}"):
        FeatherSource(write(tmp_path, table))


def test_a_file_that_is_no_feather_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "BTC_USDT-1h.feather").write_text("no feather")
    with pytest.raises(DataError, match="cannot be read"):
        FeatherSource(tmp_path)


def test_an_unknown_pair_or_timeframe_is_an_error(tmp_path: Path) -> None:
    source = FeatherSource(write(tmp_path, frame()))
    with pytest.raises(SandboxError, match="'DOGE/USDT'"):
        source.candles("DOGE/USDT", "1h", 0, START)
    with pytest.raises(SandboxError, match="no 5m candles"):
        source.candles("BTC/USDT", "5m", 0, START)
    with pytest.raises(SandboxError, match="no candle file for DOGE/USDT"):
        FeatherSource(tmp_path, ("DOGE/USDT",))
