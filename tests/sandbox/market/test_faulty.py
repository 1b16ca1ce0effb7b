"""A market with faults."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from agent_market.sandbox.faults import MarketFaults
from agent_market.sandbox.market import TIMEFRAMES, Candles, FaultyMarket, LiveMarket, SyntheticSource
from agent_market.sandbox.market.candles import DAY, HOUR, MINUTE, resample
from agent_market.sandbox.market.faulty import crash

JAN_2024 = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp() * 1000)
NOW = JAN_2024 + 10 * DAY + 5 * HOUR + 20 * MINUTE + 30_000
PAIR = "BTC/USDT"
SOUND = LiveMarket(SyntheticSource(7, [PAIR], start=JAN_2024), clock=lambda: NOW)


def under(**faults: float) -> FaultyMarket:
    return FaultyMarket(SOUND, lambda: MarketFaults(**faults))


def ask(market: FaultyMarket | LiveMarket, timeframe: str) -> Candles:
    return market.candles(PAIR, timeframe, JAN_2024, NOW + DAY)


def test_without_faults_it_is_the_market() -> None:
    pd.testing.assert_frame_equal(ask(under(), "1h").to_frame(), ask(SOUND, "1h").to_frame())


def test_missing_candles_are_about_the_share_asked_for_and_always_the_same_ones() -> None:
    all_minutes = ask(SOUND, "1m")
    once, again = ask(under(missing=0.2), "1m"), ask(under(missing=0.2), "1m")
    assert 0.18 < 1 - len(once) / len(all_minutes) < 0.22
    assert np.array_equal(once.time, again.time)
    assert set(ask(under(missing=0.3), "1m").time) < set(once.time)
    assert len(ask(under(missing=1.0), "1m")) == 0


@pytest.mark.parametrize("timeframe", ["1m", "1h"])
def test_stale_candles_end_in_the_past(timeframe: str) -> None:
    age = 90 * MINUTE
    got = ask(under(stale_s=age / 1000), timeframe)
    assert got.time[-1] <= NOW - age < got.time[-1] + TIMEFRAMES[timeframe]
    minutes = SOUND.candles(PAIR, "1m", JAN_2024, NOW - age + 1)
    assert got.close[-1] == minutes.close[-1]


def test_a_flash_crash_takes_prices_down_by_its_depth_and_lets_them_recover() -> None:
    since = NOW - 45 * MINUTE
    got, sound = (ask(market, "1m") for market in (under(flash_crash=0.3, since=since / 1000), SOUND))
    struck = int(np.searchsorted(got.time, since, side="right")) - 1
    pd.testing.assert_frame_equal(got[:struck].to_frame(), sound[:struck].to_frame())
    assert got.low[struck] == pytest.approx(0.7 * sound.low[struck], rel=1e-3)
    assert got.open[struck] == sound.open[struck]
    ratio = got.close[struck:] / sound.close[struck:]
    assert ratio[0] == pytest.approx(0.7, rel=1e-3)
    assert (np.diff(ratio) > -1e-6).all()
    assert ratio[11] == pytest.approx(0.85, abs=0.02)  # one half-life after the hold
    assert (got.low <= np.minimum(got.open, got.close)).all()
    assert (got.high >= np.maximum(got.open, got.close)).all()


def test_larger_candles_of_a_crash_are_the_smaller_resampled() -> None:
    market = under(flash_crash=0.3, since=(NOW - 45 * MINUTE) / 1000)
    for timeframe in ("5m", "1h", "1d"):
        whole = resample(ask(market, "1m"), TIMEFRAMES[timeframe])
        pd.testing.assert_frame_equal(ask(market, timeframe).to_frame(), whole.to_frame())


def test_the_crash_of_one_candle_worked_by_hand() -> None:
    candle = Candles(*(np.array([v]) for v in (0, 100.0, 110.0, 90.0, 105.0, 5.0)))
    got = crash(candle, HOUR, 2, since=30 * MINUTE, depth=0.4, now=2 * HOUR)
    # At the close 29 of the 30 minutes since lie beyond the hold: 0.4 * 0.5 ** 2.9 = 0.0536.
    assert got.open[0] == 100
    assert got.close[0] == pytest.approx(105 * (1 - 0.0536), abs=0.01)
    assert got.low[0] == 54.0
    assert got.high[0] == pytest.approx(110 * (1 - 0.0536), abs=0.01)
    assert got.volume[0] == 5.0
