"""Mined factors as features: when they may be used, what they hold, and what a broken file costs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from freqtrade.enums import RunMode

from agent_market.books import shelf_digests
from agent_market.factors.engine import Engine
from agent_market.factors.features import (
    NO_VALUE,
    FactorBook,
    add_factors,
    peer_candles,
)
from agent_market.factors.mining.files import features_file
from agent_market.factors.panel import CandlePanel
from agent_market.factors.parse import parse_factor
from agent_market.runs.identity import derive_identifier
from tests.helpers.factor_files import put_in_force

MAY, JUNE = datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 6, 1, tzinfo=UTC)
ALONE, BESIDE = "zscore(volume, 20)", "cs_rank(ts_return(close, 5))"


def digest_of_factors(config: Mapping[str, Any]) -> str:
    return shelf_digests(config, ("factors",))["factors"]


class Model:
    pass


def config(user_data: Path, timerange: str = "20240601-20240801", **section: Any) -> dict[str, Any]:
    return {
        "user_data_dir": user_data,
        "timeframe": "1h",
        "timerange": timerange,
        "runmode": RunMode.BACKTEST,
        "exchange": {"pair_whitelist": ["BTC/USDT", "ETH/USDT"]},
        "freqai": {"identifier": "mine"},
        "agent_market": section,
    }


def candles(rows: int = 200, seed: int = 0, start: str = "2024-01-01") -> pd.DataFrame:
    random = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.01, rows)))
    return pd.DataFrame(
        {
            "date": pd.date_range(start, periods=rows, freq="1h", tz="UTC"),
            "open": close * 1.001,
            "high": close * 1.01,
            "low": close * 0.99,
            "close": close,
            "volume": random.lognormal(3, 1, rows),
        }
    )


def none() -> dict[str, pd.DataFrame]:
    raise AssertionError("peers were asked for, and no factor needs them")


def test_a_factor_is_used_from_the_moment_on_that_it_was_known(tmp_path: Path) -> None:
    (name,) = put_in_force(tmp_path, [ALONE], JUNE)
    book = FactorBook.of(config(tmp_path))
    assert list(book.trees) == [name]
    assert book.lookback == 20
    assert book.withheld == ()


def test_a_backtest_that_starts_before_gets_none_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put_in_force(tmp_path, [ALONE], JUNE)
    for timerange in ("20240531-20240801", "", "-20240801"):
        book = FactorBook.of(config(tmp_path, timerange))
        assert not book.trees
        assert "was chosen on data up to 2024-06-01 00:00 UTC" in book.withheld[0]
    assert "is withheld" in caplog.text


def test_hindsight_uses_it_anyway_and_live_always_may(tmp_path: Path) -> None:
    names = put_in_force(tmp_path, [ALONE], JUNE)
    assert tuple(FactorBook.of(config(tmp_path, "20240101-", factors={"hindsight": True})).trees) == names
    live = {**config(tmp_path, ""), "runmode": RunMode.DRY_RUN}
    assert tuple(FactorBook.of(live).trees) == names
    off = FactorBook.of(config(tmp_path, factors={"enabled": False}))
    assert (dict(off.trees), off.withheld) == ({}, ())


@pytest.mark.parametrize("text", ["", "{", '{"schema": "agent-market/features/1"}', '{"schema": 3}'])
def test_an_empty_or_broken_file_is_reported_and_survived(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    features_file(tmp_path).parent.mkdir()
    features_file(tmp_path).write_text(text)
    book = FactorBook.of(config(tmp_path))
    assert not book.trees
    assert "no factor is used" in caplog.text
    assert "freqai_features.json" in caplog.text
    frame = candles()
    assert add_factors(frame, book, "BTC/USDT", 60, none) is frame
    assert digest_of_factors(config(tmp_path)) == ""


def test_one_bad_factor_costs_itself_only(tmp_path: Path) -> None:
    good = parse_factor(ALONE)
    put_in_force(tmp_path, [ALONE, BESIDE], MAY)
    text = features_file(tmp_path).read_text()
    features_file(tmp_path).write_text(text.replace(str(parse_factor(BESIDE)), "close + volume"))
    book = FactorBook.of(config(tmp_path))
    assert [str(tree) for tree in book.trees.values()] == [str(good)]
    assert "is a volume where a price is needed" in book.withheld[0]
    features_file(tmp_path).write_text(text.replace("20)", "21)"))
    edited = FactorBook.of(config(tmp_path))
    assert "has hash" in edited.withheld[0]


def test_factors_of_other_candles_are_not_used(tmp_path: Path) -> None:
    put_in_force(tmp_path, [ALONE], MAY, minutes=240)
    book = FactorBook.of(config(tmp_path))
    assert not book.trees
    assert "mined on 240-minute candles, not 60" in book.withheld[0]


def test_another_file_is_another_run_and_a_withheld_one_is_not(tmp_path: Path) -> None:
    def name(timerange: str = "20240601-") -> str:
        return derive_identifier(config(tmp_path, timerange), Model)

    before, early = name(), name("20240401-")
    put_in_force(tmp_path, [ALONE], MAY)
    with_one = name()
    assert with_one != before
    assert name("20240401-") == early
    put_in_force(tmp_path, [ALONE, BESIDE], MAY)
    assert name() not in (before, with_one)
    features_file(tmp_path).unlink()
    assert name() == before
    assert derive_identifier(config(tmp_path, "20240601-", mining={"seed": 9}), Model) == before


def test_columns_hold_the_engines_values_and_no_row_is_lost_after_the_warm_up(tmp_path: Path) -> None:
    names = put_in_force(tmp_path, [ALONE, "zscore(close, 20)"], MAY)
    book = FactorBook.of(config(tmp_path))
    frame = candles()
    frame.loc[100:140, ["open", "high", "low", "close"]] = 50.0  # no deviation, no z-score
    added = add_factors(frame, book, "BTC/USDT", 60, none)
    panel = CandlePanel.from_candles({"BTC/USDT": frame}, 60)
    for name in names:
        values = Engine(panel).evaluate(book.trees[name])[0]
        assert added[name].iloc[:19].isna().all()
        assert added[name].iloc[19:].notna().all()
        there = ~np.isnan(values) & (np.arange(len(values)) >= 19)
        np.testing.assert_array_equal(added[name].to_numpy()[there], values[there])
        assert (added[name].to_numpy()[19:][~there[19:]] == NO_VALUE).all()
    assert (added[names[1]].iloc[125:140] == NO_VALUE).all()


def test_the_future_changes_nothing_also_beside_other_pairs(tmp_path: Path) -> None:
    names = put_in_force(tmp_path, [ALONE, BESIDE, "at('4h', ts_return(close, 3))"], MAY)
    book = FactorBook.of(config(tmp_path))
    own, other, third = candles(), candles(seed=1), candles(seed=2, start="2024-01-03")

    def columns(rows: int, later: float) -> pd.DataFrame:
        peers = {"ETH/USDT": other.copy(), "SOL/USDT": third}
        peers["ETH/USDT"].loc[rows:, "close"] *= later
        frame = own.copy()
        frame.loc[rows:, ["open", "high", "low", "close", "volume"]] *= later
        return add_factors(frame, book, "BTC/USDT", 60, lambda: peers)[list(names)]

    for rows in (60, 121, 200):
        pd.testing.assert_frame_equal(columns(rows, 1.0).iloc[:rows], columns(rows, 3.0).iloc[:rows])
        cut = add_factors(
            own.iloc[:rows], book, "BTC/USDT", 60, lambda: {"ETH/USDT": other, "SOL/USDT": third}
        )
        pd.testing.assert_frame_equal(cut[list(names)], columns(200, 1.0).iloc[:rows])


def test_a_cross_section_compares_the_pair_with_its_peers(tmp_path: Path) -> None:
    (name,) = put_in_force(tmp_path, [BESIDE], MAY)
    book = FactorBook.of(config(tmp_path))
    rising, falling = candles(), candles(seed=1)
    rising["close"], falling["close"] = np.arange(1.0, 201), np.arange(200.0, 0, -1)
    peers = {"BTC/USDT": rising, "ETH/USDT": falling}
    top = add_factors(rising, book, "BTC/USDT", 60, lambda: peers)[name].iloc[10:]
    low = add_factors(falling, book, "ETH/USDT", 60, lambda: peers)[name].iloc[10:]
    assert (top == 1.0).all(), "the upper of two"
    assert (low == 0.5).all()


def test_one_row_is_enough_for_the_columns_to_be_there(tmp_path: Path) -> None:
    names = put_in_force(tmp_path, [ALONE, BESIDE], MAY)
    book = FactorBook.of(config(tmp_path))
    added = add_factors(candles().tail(1), book, "BTC/USDT", 60, dict)
    assert added[list(names)].isna().all(axis=None)


def test_peers_come_from_the_longest_history_that_is_up_to_date() -> None:
    long, short, stale = candles(200), candles(200).tail(50), candles(190)
    provider = SimpleNamespace(
        get_pair_dataframe=lambda pair, timeframe: {"A": short, "B": short, "C": long.head(0)}[pair]
    )
    drawer = SimpleNamespace(historic_data={"A": {"1h": long}, "B": {"1h": stale}})
    strategy: Any = SimpleNamespace(dp=provider, timeframe="1h", freqai=SimpleNamespace(dd=drawer))
    found = peer_candles(strategy, ["A", "B", "C"])
    assert {pair: len(frame) for pair, frame in found.items()} == {"A": 200, "B": 50}
    alone: Any = SimpleNamespace(dp=provider, timeframe="1h")
    assert len(peer_candles(alone, ["A"])["A"]) == 50
