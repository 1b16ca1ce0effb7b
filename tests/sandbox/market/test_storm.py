"""A market whose moves are a multiple of what they were."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from agent_market.errors import SandboxError
from agent_market.sandbox.market import Storm, SyntheticSource
from agent_market.sandbox.market.candles import DAY, HOUR, MINUTE, resample

JAN_2024 = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp() * 1000)
SINCE = JAN_2024 + 5 * HOUR + 20 * MINUTE
PAIR = "BTC/USDT"
CALM = SyntheticSource(7, [PAIR], start=JAN_2024)


def storm(factor: float) -> Storm:
    return Storm(CALM, SINCE, factor)


def test_before_it_begins_nothing_is_different_and_a_factor_of_one_changes_nothing() -> None:
    calm = CALM.candles(PAIR, "1m", JAN_2024, JAN_2024 + DAY)
    wild, same = (storm(f).candles(PAIR, "1m", JAN_2024, JAN_2024 + DAY) for f in (8.0, 1.0))
    before = calm.time < SINCE
    assert np.array_equal(wild.close[before], calm.close[before])
    assert np.array_equal(same.close, calm.close)


def test_log_returns_since_its_beginning_are_multiplied() -> None:
    calm, wild = (source.candles(PAIR, "1m", SINCE, SINCE + 3 * HOUR) for source in (CALM, storm(8.0)))
    level = calm.open[0]
    assert np.allclose(np.log(wild.close / level), 8.0 * np.log(calm.close / level), atol=1e-5)
    assert (wild.high >= np.maximum(wild.open, wild.close)).all()
    assert (wild.low <= np.minimum(wild.open, wild.close)).all()


@pytest.mark.parametrize("timeframe", ["5m", "1h"])
def test_larger_candles_are_the_smaller_ones_resampled_whatever_the_range(timeframe: str) -> None:
    wild, length = storm(8.0), {"5m": 5 * MINUTE, "1h": HOUR}[timeframe]
    minutes = wild.candles(PAIR, "1m", JAN_2024, JAN_2024 + DAY)
    whole = wild.candles(PAIR, timeframe, JAN_2024, JAN_2024 + DAY)
    assert np.array_equal(whole.to_frame(), resample(minutes, length).to_frame())
    part = wild.candles(PAIR, timeframe, SINCE + 1, SINCE + 7 * HOUR)
    chosen = (whole.time >= SINCE + 1) & (whole.time < SINCE + 7 * HOUR)
    assert np.array_equal(part.to_frame(), whole[chosen].to_frame())


def test_a_storm_that_multiplies_by_nothing_is_refused() -> None:
    with pytest.raises(SandboxError, match="above 0, not by 0"):
        storm(0.0)
