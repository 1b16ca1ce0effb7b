"""The made-up market: the same candle however it is asked for, and sane prices."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_market.errors import SandboxError
from agent_market.sandbox.market import TIMEFRAMES, Candles, SyntheticSource
from agent_market.sandbox.market.candles import DAY, HOUR, MINUTE, resample
from agent_market.sandbox.market.synthetic import DEFAULT_PAIRS, EPOCH

JAN_2024 = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp() * 1000)
SOURCE = SyntheticSource(seed=7)


def same(a: Candles, b: Candles) -> None:
    pd.testing.assert_frame_equal(a.to_frame(), b.to_frame(), check_exact=True)


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(DEFAULT_PAIRS),
    st.sampled_from([name for name in TIMEFRAMES if name != "1w"]),
    st.integers(0, 60 * 24 * 60),
    st.integers(1, 4 * DAY),
)
def test_a_candle_is_the_same_whatever_range_is_asked(
    pair: str, frame: str, minute: int, length: int
) -> None:
    start = JAN_2024 + minute * MINUTE
    got = SOURCE.candles(pair, frame, start, start + length)
    wide = SOURCE.candles(pair, frame, start - 3 * DAY, start + length + 2 * DAY)
    same(got, wide.between(start, start + length))


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(["3m", "5m", "1h", "4h", "12h", "1d", "1w"]), st.integers(0, 300))
def test_every_timeframe_is_the_minutes_resampled(frame: str, day: int) -> None:
    start = JAN_2024 + day * DAY
    minutes = SOURCE.candles("ETH/USDT", "1m", start - 7 * DAY, start + 14 * DAY)
    whole = resample(minutes, TIMEFRAMES[frame]).between(start, start + 7 * DAY)
    same(SOURCE.candles("ETH/USDT", frame, start, start + 7 * DAY), whole)


def test_a_pair_is_the_same_whichever_others_are_served_and_wherever_the_span_begins() -> None:
    alone = SyntheticSource(7, ["SOL/USDT"], start=JAN_2024, end=JAN_2024 + 9 * DAY)
    same(
        alone.candles("SOL/USDT", "1h", JAN_2024, JAN_2024 + 9 * DAY),
        SOURCE.candles("SOL/USDT", "1h", JAN_2024, JAN_2024 + 9 * DAY),
    )


def test_nothing_is_served_outside_the_span() -> None:
    source = SyntheticSource(7, start=JAN_2024, end=JAN_2024 + 10 * HOUR)
    got = source.candles("BTC/USDT", "1h", 0, JAN_2024 + 10 * DAY)
    assert got.time.tolist() == [JAN_2024 + hour * HOUR for hour in range(10)]
    assert len(source.candles("BTC/USDT", "1h", JAN_2024 + 10 * HOUR, JAN_2024 + DAY)) == 0


def test_another_seed_is_another_market() -> None:
    ours = SOURCE.candles("BTC/USDT", "1d", JAN_2024, JAN_2024 + 30 * DAY)
    other = SyntheticSource(8).candles("BTC/USDT", "1d", JAN_2024, JAN_2024 + 30 * DAY)
    assert not np.isclose(ours.close, other.close).any()


@pytest.mark.parametrize("pair", [*DEFAULT_PAIRS, "ADA/USDT"])
def test_candles_are_whole_positive_and_join_up(pair: str) -> None:
    source = SyntheticSource(7, [pair])
    got = source.candles(pair, "1m", JAN_2024, JAN_2024 + 20 * DAY)
    assert (np.diff(got.time) == MINUTE).all()
    assert (got.low > 0).all()
    assert (got.low <= np.minimum(got.open, got.close)).all()
    assert (got.high >= np.maximum(got.open, got.close)).all()
    assert (got.volume > 0).all()
    assert (got.open[1:] == got.close[:-1]).all()
    decimals = source.price_decimals(pair)
    assert (np.round(got.close, decimals) == got.close).all()


def test_it_looks_like_a_market() -> None:
    """Two years of hours: plausible volatility, fat tails, volume with movement, pairs that move together."""
    hours = {
        pair: SOURCE.candles(pair, "1h", JAN_2024, JAN_2024 + 730 * DAY) for pair in ("BTC/USDT", "ETH/USDT")
    }
    returns = {pair: np.diff(np.log(c.close)) for pair, c in hours.items()}
    btc = returns["BTC/USDT"]
    assert 0.002 < btc.std() < 0.012
    assert np.mean((btc - btc.mean()) ** 4) / btc.var() ** 2 > 6
    assert np.corrcoef(np.abs(btc), hours["BTC/USDT"].volume[1:])[0, 1] > 0.2
    assert 0.5 < np.corrcoef(btc, returns["ETH/USDT"])[0, 1] < 0.95
    day = np.abs(np.diff(np.log(hours["BTC/USDT"].close[::24])))
    assert np.corrcoef(day[:-1], day[1:])[0, 1] > 0.05  # volatility comes in spells


def test_it_crashes_now_and_then_and_comes_back_over_the_years() -> None:
    days = SOURCE.candles("BTC/USDT", "1d", EPOCH, EPOCH + 3650 * DAY)
    assert (days.low / days.open - 1).min() < -0.10
    assert 3_000 < days.close.min() < days.close.max() < 300_000


def test_its_regimes_have_names_and_change() -> None:
    names = [SOURCE.regime(EPOCH + day * DAY) for day in range(2000)]
    assert set(names) == {"bull-calm", "bull-wild", "range", "bear-calm", "bear-wild"}


def test_two_years_of_hours_for_five_pairs_take_seconds() -> None:
    begin = time.process_time()
    for pair in DEFAULT_PAIRS:
        assert len(SOURCE.candles(pair, "1h", JAN_2024, JAN_2024 + 730 * DAY)) == 730 * 24
    assert time.process_time() - begin < 8


def test_dates_and_pairs_that_it_has_not_are_errors() -> None:
    with pytest.raises(SandboxError, match="2016-12-31"):
        SyntheticSource(7, start=EPOCH - DAY)
    with pytest.raises(SandboxError, match="BTCUSDT"):
        SyntheticSource(7, ["BTCUSDT"])
    with pytest.raises(SandboxError, match="unknown pair 'DOGE/USDT'"):
        SOURCE.candles("DOGE/USDT", "1h", JAN_2024, JAN_2024 + DAY)
