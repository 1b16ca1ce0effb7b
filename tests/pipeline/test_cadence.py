"""Decision points: the grid, the gate, gaps, causality, and chunks that add up."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_market.config import DecisionSettings
from agent_market.errors import DataError
from agent_market.pipeline.cadence import LastDecision, decision_points, last_decision

HOUR = 3600
SETTINGS = DecisionSettings(cadence_candles=12, gate_move=2.5, gate_min_candles=3)


def closes_at(*candles: int) -> np.ndarray:
    return np.array(candles, dtype=np.int64) * HOUR


def points(times, close, volatility, last=None, settings=SETTINGS) -> list[int]:
    close = np.broadcast_to(np.asarray(close, dtype=float), len(times))
    volatility = np.broadcast_to(np.asarray(volatility, dtype=float), len(times))
    return decision_points(times, close, volatility, HOUR, settings, last).tolist()


def test_a_quiet_market_is_decided_on_a_grid_counted_from_the_epoch():
    assert points(closes_at(*range(5, 40)), 100.0, 0.01) == [7, 19, 31]  # candles 12, 24, 36


def test_a_move_beyond_the_gate_asks_for_a_decision_and_moves_the_anchor():
    times = closes_at(*range(12, 24))
    close = np.full(12, 100.0)
    # gate after 4 candles: 2.5 x 0.01 x sqrt(4) = 0.05 in logs
    close[4:] = 100.0 * np.exp(0.0501)
    assert points(times, close, 0.01) == [0, 4]
    close[4:] = 100.0 * np.exp(0.0499)
    assert points(times, close, 0.01) == [0]


def test_a_fall_opens_the_gate_as_a_rise_does():
    close = np.full(12, 100.0)
    close[5:] = 80.0
    assert points(closes_at(*range(12, 24)), close, 0.01) == [0, 5]


def test_the_gate_waits_for_its_least_number_of_candles():
    close = np.array([100.0] + [150.0] * 11)
    assert points(closes_at(*range(12, 24)), close, 0.01) == [0, 3]


def test_the_grid_does_not_wait_for_it():
    close = np.array([100.0] * 11 + [150.0] * 5)
    assert points(closes_at(*range(12, 28)), close, 0.01) == [0, 11, 12]


def test_the_first_decision_falls_on_the_grid():
    assert points(closes_at(*range(1, 12)), np.geomspace(1.0, 100.0, 11), 0.01) == []


def test_rows_without_volatility_or_price_are_never_due():
    times = closes_at(12, 24, 36, 48, 60)
    close = np.array([100.0, np.nan, 0.0, 100.0, 100.0])
    volatility = np.array([np.nan, 0.01, 0.01, 0.01, 0.01])
    assert points(times, close, volatility) == [3, 4]


def test_a_gap_counts_as_the_candles_that_it_lacks():
    # Five candles are missing: six passed, so the gate stands at 2.5 x 0.01 x sqrt(6) = 0.0612.
    times = closes_at(12, 18, 19)
    assert points(times, 100.0 * np.exp([0.0, 0.0620, 0.0620]), 0.01) == [0, 1]
    assert points(times, 100.0 * np.exp([0.0, 0.0600, 0.0600]), 0.01) == [0]


def test_a_missing_grid_candle_is_not_made_up_later():
    assert points(closes_at(11, 13, 14), 100.0, 0.01, LastDecision(0, 100.0)) == []


def test_rows_up_to_the_last_decision_are_not_due_again():
    times = closes_at(*range(10, 40))
    assert points(times, 100.0, 0.01, LastDecision(24 * HOUR, 100.0)) == [26]


def test_a_market_that_stood_still_calls_at_its_first_move():
    close = np.array([100.0] * 5 + [100.1] * 7)
    assert points(closes_at(*range(12, 24)), close, 0.0) == [0, 5]


@pytest.mark.parametrize("times", [[12, 13, 13], [12, 14, 13]])
def test_times_that_do_not_increase_are_refused(times):
    with pytest.raises(DataError, match=rf"row 2 has {times[2] * HOUR} after {times[1] * HOUR}"):
        points(closes_at(*times), 100.0, 0.01)


def test_lengths_that_differ_are_refused():
    with pytest.raises(DataError, match="3 times, 2 closes and 3 volatilities"):
        decision_points(closes_at(1, 2, 3), np.ones(2), np.ones(3), HOUR, SETTINGS, None)


@pytest.mark.parametrize("close", [np.nan, 0.0, -1.0, np.inf])
def test_a_last_decision_without_a_price_is_refused(close):
    with pytest.raises(DataError, match="no valid price"):
        LastDecision(0, close)


def test_no_rows_have_no_decisions():
    assert points(closes_at(), 100.0, 0.01) == []


@st.composite
def paths(draw):
    """Times with gaps, a price path, volatility with holes, and settings."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows = draw(st.integers(0, 150))
    times = np.cumsum(rng.choice([1, 1, 1, 1, 2, 7], rows)).astype(np.int64) * HOUR
    close = 100.0 * np.exp(np.cumsum(rng.standard_t(3, rows) * 0.02))
    volatility = np.where(rng.random(rows) < 0.1, np.nan, rng.uniform(0.0, 0.02, rows))
    close[rng.random(rows) < 0.02] = np.nan
    settings = DecisionSettings(
        cadence_candles=draw(st.integers(1, 20)),
        gate_move=draw(st.floats(0.1, 5.0)),
        gate_min_candles=draw(st.integers(1, 6)),
    )
    last = LastDecision(0, 100.0) if draw(st.booleans()) else None
    return times, close, volatility, settings, last


@given(path=paths(), data=st.data())
def test_cutting_the_future_off_changes_nothing(path, data):
    times, close, volatility, settings, last = path
    cut = data.draw(st.integers(0, len(times)))
    whole = decision_points(times, close, volatility, HOUR, settings, last)
    head = decision_points(times[:cut], close[:cut], volatility[:cut], HOUR, settings, last)
    assert head.tolist() == whole[whole < cut].tolist()


@given(path=paths(), size=st.integers(1, 50))
def test_chunks_with_the_last_decision_carried_over_equal_one_call(path, size):
    times, close, volatility, settings, last = path
    whole = decision_points(times, close, volatility, HOUR, settings, last).tolist()
    found: list[int] = []
    for start in range(0, len(times), size):
        chunk = slice(start, start + size)
        due = decision_points(times[chunk], close[chunk], volatility[chunk], HOUR, settings, last)
        last = last_decision(times[chunk], close[chunk], due, last)
        found += (due + start).tolist()
    assert found == whole


@given(path=paths())
def test_every_row_follows_the_rule_as_it_is_written_down(path):
    times, close, volatility, settings, last = path
    due = set(decision_points(times, close, volatility, HOUR, settings, last).tolist())
    for row in range(len(times)):
        usable = np.isfinite(close[row]) and np.isfinite(volatility[row])
        on_grid = times[row] // HOUR % settings.cadence_candles == 0
        gate = False
        if last is not None and usable:
            since = (times[row] - last.time) // HOUR
            move = abs(np.log(close[row] / last.close))
            gate = since >= settings.gate_min_candles and (
                move > settings.gate_move * volatility[row] * np.sqrt(since) * (1 + 1e-12)
            )
        assert (row in due) == (usable and (on_grid or gate))
        if row in due:
            last = LastDecision(int(times[row]), float(close[row]))


def test_forty_five_thousand_rows_take_under_50_ms():
    rng = np.random.default_rng(0)
    times = np.arange(1, 45_001, dtype=np.int64) * HOUR
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, len(times))))
    volatility = np.full(len(times), 0.01)

    def seconds() -> float:
        start = time.process_time()
        decision_points(times, close, volatility, HOUR, DecisionSettings(), None)
        return time.process_time() - start

    assert min(seconds() for _ in range(5)) < 0.050
