"""Panels: alignment, gaps, and candles of longer timeframes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from agent_market.errors import DataError
from agent_market.factors.engine import Engine
from agent_market.factors.panel import CandlePanel
from agent_market.factors.parse import parse
from agent_market.factors.timeframes import coarse
from agent_market.factors.types import FIELDS
from agent_market.factors.warmup import lookback
from tests.helpers.factor_samples import panel


def candles(hours: list[int], start: str = "2024-01-01") -> pd.DataFrame:
    dates = pd.Timestamp(start, tz="UTC") + pd.to_timedelta(hours, unit="h")
    return pd.DataFrame({"date": dates, **{name: np.array(hours, float) + 1 for name in FIELDS}})


def test_a_gap_in_candles_is_absent_not_zero() -> None:
    both = CandlePanel.from_candles({"A": candles([0, 1, 3]), "B": candles([1, 2])}, 60)
    np.testing.assert_array_equal(both.columns["close"], [[1, 2, np.nan, 4], [np.nan, 2, 3, np.nan]])
    assert both.times[0] == pd.Timestamp("2024-01-01 01:00", tz="UTC")  # close of the first candle
    np.testing.assert_array_equal(both.present[1], [False, True, True, False])


@pytest.mark.parametrize(
    ("frames", "says"),
    [
        ({}, "no candles"),
        ({"A": candles([])}, "no candles for A"),
        ({"A": candles([1, 0])}, "not in order"),
        ({"A": candles([0, 0])}, "stands twice"),
        ({"A": candles([0, 1]).drop(columns="volume")}, "'volume'"),
        ({"A": candles([0, 1]), "B": candles([0], "2024-01-01 00:30")}, "off the 60-minute grid"),
        ({"A": candles([0, 1]).assign(close=[1.0, np.inf])}, "close of A is infinite"),
    ],
)
def test_bad_candles_are_refused_with_their_place(frames: dict[str, pd.DataFrame], says: str) -> None:
    with pytest.raises(DataError, match=says):
        CandlePanel.from_candles(frames, 60)


def test_a_longer_candle_is_known_at_its_close_and_not_before() -> None:
    # Opens 02:00 to 10:00: the bar 00-04 began before the panel; 04-08 closes with the candle of 07:00.
    market = CandlePanel.from_candles({"A": candles(list(range(2, 11)))}, 60)
    joined = coarse(market, 240)
    assert list(joined.panel.times) == [pd.Timestamp("2024-01-01 08:00", tz="UTC")]
    assert {name: joined.panel.columns[name][0, 0] for name in FIELDS} == {
        "open": 5, "high": 8, "low": 5, "close": 8, "volume": 5 + 6 + 7 + 8,
    }  # fmt: skip
    seen = Engine(market).evaluate(parse("at('4h', close)"))[0]
    np.testing.assert_array_equal(seen, [np.nan] * 5 + [8, 8, 8, 8])


def test_a_timeframe_that_is_no_multiple_is_refused() -> None:
    with pytest.raises(DataError, match="multiple"):
        Engine(panel()).evaluate(parse("at('30m', close)"))
    with pytest.raises(DataError, match="multiple"):
        lookback(parse("at('1h', close)"), 60)


def test_lookback_adds_windows_up_and_counts_longer_candles_in_full() -> None:
    assert lookback(parse("close"), 60) == 1
    assert lookback(parse("delta(ts_mean(close, 20), 5)"), 60) == 25
    assert lookback(parse("ts_ema(close, 10)"), 60) == 30
    assert lookback(parse("at('4h', ts_return(close, 3))"), 60) == 4 * 4 + 3


def test_equal_subtrees_are_computed_once_and_memory_is_bounded() -> None:
    market = panel(rows=500, pairs=4)
    engine = Engine(market)
    first = engine.evaluate(parse("ts_mean(close, 20) / close"))
    misses = engine.misses
    engine.evaluate(parse("ts_mean(close, 20) / open"))
    assert engine.hits == 1
    assert engine.misses == misses + 1
    assert not first.flags.writeable
    planned = Engine(market)
    trees = [parse(f"ts_mean(close, 20) / {other}") for other in ("open", "high", "low")]
    planned.expect(trees)
    for tree in trees:
        planned.evaluate(tree)
    assert (planned.hits, planned.cached_bytes) == (
        2,
        0,
    )  # the mean is let go when nobody asks for it any more
    small = Engine(market, cache_bytes=3 * 500 * 4 * 8)
    for window in range(3, 30):
        small.evaluate(parse(f"ts_mean(close, {window})"))
    assert small.cached_bytes <= 3 * 500 * 4 * 8
    np.testing.assert_array_equal(small.evaluate(parse("ts_mean(close, 20) / close")), first)
