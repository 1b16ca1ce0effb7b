"""Resampling, and the path inside a candle."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_market.errors import SandboxError
from agent_market.sandbox.market import Candles
from agent_market.sandbox.market.candles import (
    DAY,
    HOUR,
    WEEK,
    bucket_start,
    path,
    resample,
    timeframe_ms,
    unfinished,
)


def candles(*rows: tuple[float, ...]) -> Candles:
    columns = np.array(rows, dtype=float).T
    return Candles(columns[0].astype(np.int64), *columns[1:])


RISING = candles((0, 100.0, 112.0, 94.0, 106.0, 30.0))
FALLING = candles((0, 100.0, 103.0, 91.0, 97.0, 30.0))


def test_a_larger_candle_is_first_open_highest_lowest_last_close_and_all_volume() -> None:
    hours = candles(
        (0, 10, 12, 9, 11, 1),
        (HOUR, 11, 15, 10, 14, 2),
        (4 * HOUR, 14, 14.5, 8, 9, 4),
    )
    got = resample(hours, 4 * HOUR)
    pd.testing.assert_frame_equal(
        got.to_frame(), candles((0, 10, 15, 9, 14, 3), (4 * HOUR, 14, 14.5, 8, 9, 4)).to_frame()
    )


def test_a_bucket_without_candles_is_absent() -> None:
    got = resample(candles((0, 1, 1, 1, 1, 1), (3 * HOUR, 2, 2, 2, 2, 1)), HOUR)
    assert got.time.tolist() == [0, 3 * HOUR]


def test_weekly_candles_open_on_monday() -> None:
    thursday = int(pd.Timestamp("2024-02-29", tz="UTC").timestamp() * 1000)
    assert pd.Timestamp(bucket_start(thursday, WEEK), unit="ms") == pd.Timestamp("2024-02-26")
    assert resample(candles((thursday, 1, 1, 1, 1, 1)), WEEK).time[0] == bucket_start(thursday, WEEK)
    assert bucket_start(thursday + DAY - 1, DAY) == thursday


def test_a_rising_candle_goes_down_first_and_a_falling_one_up() -> None:
    turns = np.array([0, 1 / 6, 1 / 3, 1 / 2, 2 / 3, 1])
    assert path(RISING, turns, 2).tolist() == [100, 97, 94, 103, 112, 106]
    assert path(FALLING, turns, 2).tolist() == [100, 101.5, 103, 97, 91, 97]


def test_an_unfinished_candle_shows_what_was_seen_so_far() -> None:
    half = unfinished(RISING, 0.5, 2).to_frame().iloc[0]
    assert half[["open", "high", "low", "close", "volume"]].tolist() == [100, 103, 94, 103, 15]


def test_a_candle_that_has_just_opened_is_flat_and_a_finished_one_is_itself() -> None:
    new = unfinished(FALLING, 0.0, 2).to_frame().iloc[0]
    assert new[["open", "high", "low", "close", "volume"]].tolist() == [100, 100, 100, 100, 0]
    pd.testing.assert_frame_equal(unfinished(FALLING, 1.0, 2).to_frame(), FALLING.to_frame())


@given(st.floats(0, 1), st.floats(0, 1), st.booleans())
def test_highs_only_rise_and_lows_only_fall_as_a_candle_grows(a: float, b: float, rising: bool) -> None:
    whole = RISING if rising else FALLING
    early, late = (unfinished(whole, fraction, 2) for fraction in sorted((a, b)))
    assert early.high[0] <= late.high[0] <= whole.high[0]
    assert early.low[0] >= late.low[0] >= whole.low[0]
    assert early.volume[0] <= late.volume[0]
    assert late.low[0] <= late.close[0] <= late.high[0]


def test_an_unknown_timeframe_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(SandboxError, match=r"'7h'.*1h"):
        timeframe_ms("7h")


def test_frames_go_in_and_out_unchanged_whatever_their_datetime_unit() -> None:
    frame = RISING.to_frame()
    for unit in ("ms", "us", "ns"):
        other = frame.assign(date=frame["date"].dt.as_unit(unit))
        pd.testing.assert_frame_equal(Candles.from_frame(other).to_frame(), frame)
