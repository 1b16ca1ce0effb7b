"""The standing and the running clock."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_market.errors import SandboxError
from agent_market.sandbox.market import TIMEFRAMES, LiveMarket, StandingMarket, SyntheticSource
from agent_market.sandbox.market.candles import DAY, HOUR, MINUTE, WEEK, resample
from agent_market.sandbox.market.clock import replay_shift

JAN_2024 = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp() * 1000)
SOURCE = SyntheticSource(7, ["BTC/USDT"], start=JAN_2024)
PAIR = "BTC/USDT"


def test_a_standing_market_ends_with_a_candle_that_has_just_opened() -> None:
    source = SyntheticSource(7, [PAIR], start=JAN_2024, end=JAN_2024 + DAY)
    market = StandingMarket(source)
    got = market.candles(PAIR, "1h", JAN_2024, JAN_2024 + 2 * DAY)
    assert market.now() == JAN_2024 + DAY
    assert len(got) == 25
    last, before = got.to_frame().iloc[-1], got.to_frame().iloc[-2]
    assert last[["open", "high", "low", "close"]].tolist() == [before["close"]] * 4
    assert last["volume"] == 0


def test_a_larger_candle_of_a_standing_market_is_the_one_under_way() -> None:
    source = SyntheticSource(7, [PAIR], start=JAN_2024, end=JAN_2024 + DAY + 5 * HOUR)
    got = StandingMarket(source).candles(PAIR, "1d", 0, JAN_2024 + 9 * DAY)
    assert got.time.tolist() == [JAN_2024, JAN_2024 + DAY]
    assert got.close[-1] == source.candles(PAIR, "1h", JAN_2024, JAN_2024 + 9 * DAY).close[-1]


@settings(max_examples=40, deadline=None)
@given(st.integers(HOUR, 3 * DAY), st.sampled_from(["1m", "5m", "1h", "4h", "1d"]))
def test_the_newest_live_candle_is_consistent_with_the_smaller_ones_and_knows_no_future(
    passed: int, frame: str
) -> None:
    now = JAN_2024 + passed
    market = LiveMarket(SOURCE, clock=lambda: now)
    got = market.candles(PAIR, frame, JAN_2024, now + DAY)
    minutes = market.candles(PAIR, "1m", JAN_2024, now + DAY)
    pd.testing.assert_frame_equal(got.to_frame(), resample(minutes, TIMEFRAMES[frame]).to_frame())
    assert got.time[-1] <= now < got.time[-1] + TIMEFRAMES[frame]
    final = SOURCE.candles(PAIR, frame, JAN_2024, now + DAY)[: len(got)]
    pd.testing.assert_frame_equal(got[:-1].to_frame(), final[:-1].to_frame())
    assert got.high[-1] <= final.high[-1]
    assert got.low[-1] >= final.low[-1]
    assert got.volume[-1] <= final.volume[-1] + 1e-6


def test_the_price_moves_within_a_minute_and_ends_where_the_candle_closes() -> None:
    prices = []
    for second in range(61):
        now = JAN_2024 + HOUR + second * 1000
        market = LiveMarket(SOURCE, clock=lambda now=now: now)
        prices.append(market.candles(PAIR, "1m", now - MINUTE, now + 1).close[-1])
    final = SOURCE.candles(PAIR, "1m", JAN_2024 + HOUR, JAN_2024 + HOUR + MINUTE)
    assert prices[0] == final.open[0]
    assert prices[60] == final.close[0]
    assert max(prices) == final.high[0]
    assert min(prices) == final.low[0]


def test_a_replay_happens_whole_weeks_later() -> None:
    now = JAN_2024 + 1000 * DAY + 12345
    shift = replay_shift(JAN_2024 + 30 * DAY, now)
    assert shift % WEEK == 0
    assert 0 <= now - shift - (JAN_2024 + 30 * DAY) < WEEK
    market = LiveMarket(SOURCE, shift, clock=lambda: now)
    got = market.candles(PAIR, "1h", now - DAY, now + 1)
    old = SOURCE.candles(PAIR, "1h", now - DAY - shift, now - shift)
    assert np.array_equal(got.close[:-1], old.close[:-1])
    assert np.array_equal(got.time, old.time + shift)
    assert market.span(PAIR) == (JAN_2024 + shift, now)


def test_a_market_whose_data_is_used_up_falls_silent() -> None:
    source = SyntheticSource(7, [PAIR], start=JAN_2024, end=JAN_2024 + DAY)
    market = LiveMarket(source, clock=lambda: JAN_2024 + 2 * DAY)
    got = market.candles(PAIR, "1h", JAN_2024, JAN_2024 + 3 * DAY)
    assert got.time[-1] == JAN_2024 + 23 * HOUR
    assert market.span(PAIR)[1] == JAN_2024 + DAY


def test_a_shift_that_breaks_the_grid_is_refused() -> None:
    with pytest.raises(SandboxError, match="whole weeks"):
        LiveMarket(SOURCE, HOUR)
