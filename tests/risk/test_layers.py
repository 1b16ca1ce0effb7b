"""In a trade, after it, and the market as a whole: each rule against a hand-worked answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agent_market.config import BreakerSettings, ExecutionLimits, StopRule, TighteningSettings, VarLimits
from agent_market.records import AgentView
from agent_market.risk.breaker import BreakerState, step
from agent_market.risk.execution import Fill, FillBook
from agent_market.risk.invalidation import invalidated, invalidation_level
from agent_market.risk.liquidity import book_liquidity, usual_value
from agent_market.risk.stops import average_true_range, stop_distance
from agent_market.risk.systemic import Alarm, Cause, Readings, alarms
from agent_market.risk.tightening import tightening, volatility_ratio
from agent_market.risk.value_at_risk import day_var, ewma_deviation, ewma_var, historical_var, var_room

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
BREAKER = BreakerSettings()


def test_historical_var_is_the_quantile_of_losses() -> None:
    returns = np.arange(-0.05, 0.051, 0.01)  # 11 values; 10% quantile = -0.04
    assert historical_var(returns, 0.90) == pytest.approx(0.04)
    assert historical_var(np.array([0.01, 0.02]), 0.95) == 0.0


def test_ewma_weighs_the_newest_most() -> None:
    assert ewma_deviation(np.array([0.1, 0.0]), 0.5) == pytest.approx(np.sqrt(0.01 / 3))
    assert ewma_deviation(np.array([0.0, 0.1]), 0.5) == pytest.approx(np.sqrt(0.02 / 3))
    assert ewma_var(np.full(5, 0.01), 0.95, 0.94) == pytest.approx(0.01 * 1.6448536)


def test_var_scales_to_a_day_by_the_root_of_its_candles() -> None:
    returns = np.random.default_rng(3).normal(0, 0.01, 300)
    limits = VarLimits()
    assert day_var(returns, limits, 24.0) == pytest.approx(day_var(returns, limits, 1.0) * np.sqrt(24))


@given(st.integers(0, 2**32 - 1), st.floats(0.0, 2.0), st.floats(-3.0, 3.0))
def test_the_room_that_var_leaves_keeps_the_book_within_its_limit(
    seed: int, book_size: float, order: float
) -> None:
    draws = np.random.default_rng(seed).normal(0, 0.02, (2, 80))
    book, added, limits = draws[0] * book_size, draws[1] * order, VarLimits()
    room = var_room(book, added, limits, 1.0)
    assert 0.0 <= room <= 1.0
    if room > 0.0:
        assert day_var(book + room * added, limits, 1.0) <= limits.limit + 1e-12


def test_limits_tighten_to_usual_over_present_volatility_and_no_further_than_the_floor() -> None:
    settings = TighteningSettings(fast_candles=10, slow_candles=100, floor=0.25)
    calm = np.tile([0.01, -0.01], 50)
    assert tightening(calm, settings) == 1.0
    wild = calm.copy()
    wild[-10:] *= 3
    usual = np.sqrt((90 * 0.01**2 + 10 * 0.03**2) / 100)
    assert tightening(wild, settings) == pytest.approx(usual / 0.03)
    wild[-10:] *= 100
    assert tightening(wild, settings) == pytest.approx(max(0.25, np.sqrt(0.1)), rel=1e-3)
    assert tightening(calm[:50], settings) == 1.0, "too little history to say"


def test_the_volatility_alarm_can_be_reached_and_counts_against_what_was_usual_before() -> None:
    settings = TighteningSettings(fast_candles=24, slow_candles=240)
    returns = np.tile([0.01, -0.01], 120)
    returns[-24:] *= 5
    assert volatility_ratio(returns, settings) == pytest.approx(5.0)
    assert volatility_ratio(returns[:239], settings) is None, "too little history to say"
    assert volatility_ratio(np.zeros(240), settings) is None


def test_depth_counts_within_the_band_on_the_side_taken() -> None:
    bids, asks = [(99.9, 1.0), (99.0, 50.0)], [(100.1, 2.0), (100.4, 3.0), (102.0, 99.0)]
    spread, depth = book_liquidity(bids, asks, 1, 0.005)
    assert spread == pytest.approx(0.002)
    assert depth == pytest.approx(2 * 100.1 + 3 * 100.4)
    assert book_liquidity(bids, asks, -1, 0.005)[1] == pytest.approx(99.9)
    assert book_liquidity([], asks, 1, 0.005) == (None, 0.0), "an empty book offers nothing"


def test_the_usual_value_of_a_candle_leaves_out_those_without_trade() -> None:
    assert usual_value(np.full(4, 2.0), np.array([99.0, 0.0, 3.0, 5.0]), 3) == 8.0
    assert usual_value(np.ones(2), np.zeros(2), 5) is None


def test_true_range_reaches_to_the_close_before_and_is_smoothed_by_wilder() -> None:
    high, low = np.array([10.0, 12.0]), np.array([9.0, 11.5])
    close = np.array([9.5, 12.0])
    atr = average_true_range(high, low, close, 2)
    assert atr.tolist() == [1.0, 0.5 * 1.0 + 0.5 * 2.5]


@pytest.mark.parametrize(
    ("atr", "distance"), [(1.0, 0.03), (0.1, 0.02), (50.0, 0.10), (np.nan, 0.10), (0.0, 0.10)]
)
def test_the_stop_stands_three_ranges_away_between_floor_and_ceiling(atr: float, distance: float) -> None:
    assert stop_distance(atr, 100.0, StopRule()) == pytest.approx(distance)


def view(agent: str, depth: float, invalidation: float | None) -> AgentView:
    return AgentView(agent, depth, 0.6, invalidation=invalidation)


def test_only_agents_on_the_trades_side_say_where_it_is_wrong() -> None:
    views = [
        view("a", 5, -0.02),
        view("b", 3, -0.04),
        view("c", -5, 0.01),
        view("d", 5, 0.03),
        view("e", 5, None),
    ]
    weights = {"a": 0.25, "b": 0.5, "c": 0.1, "d": 0.1, "e": 0.05}
    level = invalidation_level(views, weights, 1)
    assert level == pytest.approx((0.25 * -0.02 + 0.5 * -0.04) / 0.75)
    assert invalidation_level(views, weights, -1) == pytest.approx(0.01)
    assert invalidation_level(views[4:], weights, 1) is None
    assert invalidated(100.0, 96.0, -0.03, 1)
    assert not invalidated(100.0, 98.0, -0.03, 1)
    assert invalidated(100.0, 102.0, 0.01, -1)
    assert not invalidated(100.0, 1.0, None, 1)


def test_poor_fills_are_told_and_halve_the_next_order() -> None:
    book = FillBook(ExecutionLimits(max_slippage=0.002, max_fill_seconds=60, fills=2))
    good = Fill("A/B", 1, 100.0, 100.1, NOW, NOW + timedelta(seconds=5))
    assert good.slippage == pytest.approx(0.001)
    assert book.add(good) == ()
    assert book.size_share("A/B") == 1.0
    sold_low = Fill("A/B", -1, 100.0, 99.0, NOW, NOW + timedelta(seconds=90))
    said = book.add(sold_low)
    assert len(said) == 2
    assert "slippage 1.000%" in said[0]
    assert "90 s" in said[1]
    assert book.mean_slippage("A/B") == pytest.approx(0.0055)
    assert book.size_share("A/B") == 0.5
    assert book.size_share("C/D") == 1.0


@pytest.mark.parametrize(
    ("readings", "cause"),
    [
        (Readings(vix=40.1), "vix"),
        (Readings(moves={"A": -0.06, "B": 0.0}), "pairs_crashing"),
        (Readings(volatility={"A": 5.0, "B": 4.5, "C": 1.0}), "volatility_spike"),
        (Readings(candle_falls={"A": 0.11}), "flash_crash"),
        (Readings(tick_falls={"A": 0.11, "B": 0.0}), "flash_crash"),
        (Readings(day_return=-0.051), "day_loss"),
        (Readings(candle_age={"A": 3.5, "B": 9.0}), "stale_data"),
        (Readings(tick_age_s=31.0), "stale_data"),
        (Readings(free_share=0.0), "no_free_funds"),
        (Readings(candle_age={"A": 0.5, "B": -0.6}), "clock_skew"),
    ],
)
def test_each_danger_is_seen_alone(readings: Readings, cause: str) -> None:
    found = alarms(readings, BREAKER)
    assert [alarm.cause for alarm in found] == [cause]
    assert abs(found[0].value) >= found[0].threshold


def test_what_is_at_its_limit_or_not_known_is_no_danger() -> None:
    calm = Readings(
        moves={"A": -0.9},
        candle_falls={"A": 0.10},
        volatility={"A": 4.0},
        vix=40.0,
        day_return=-0.05,
        candle_age={"A": 2.0, "B": 99.0},
        tick_age_s=30.0,
        free_share=0.01,
    )
    assert alarms(calm, BREAKER) == ()
    assert alarms(Readings(), BREAKER) == ()


def test_a_crash_freezes_until_its_cooldown_after_it_was_last_seen() -> None:
    crash = Alarm("flash_crash", 0.1, 0.2, "A")
    state = step(BreakerState(), [crash], NOW, BREAKER)
    later = NOW + timedelta(minutes=30)
    state = step(state, [crash], later, BREAKER)
    assert state.since == NOW
    assert step(state, [], later + timedelta(minutes=59), BREAKER).frozen
    assert not step(state, [], later + timedelta(minutes=60), BREAKER).frozen


def test_a_days_loss_freezes_until_midnight_and_stale_data_only_while_stale() -> None:
    lost = step(BreakerState(), [Alarm("day_loss", 0.05, 0.06)], NOW, BREAKER)
    assert lost.until == datetime(2026, 1, 6, tzinfo=UTC)
    assert step(lost, [], datetime(2026, 1, 5, 23, 59, tzinfo=UTC), BREAKER).frozen
    assert not step(lost, [], datetime(2026, 1, 6, tzinfo=UTC), BREAKER).frozen
    stale = step(BreakerState(), [Alarm("stale_data", 3, 4)], NOW, BREAKER)
    assert stale.frozen
    assert not step(stale, [], NOW, BREAKER).frozen


@pytest.mark.parametrize(
    ("cause", "longest"),
    [
        ("flash_crash", timedelta(minutes=60)),
        ("day_loss", timedelta(days=1)),
        ("damaged_state", timedelta(minutes=60)),
    ],
)
def test_a_clock_that_was_years_ahead_does_not_freeze_for_years(cause: Cause, longest: timedelta) -> None:
    ahead = step(BreakerState(), [Alarm(cause, 0.1, 0.2)], NOW + timedelta(days=3_650), BREAKER)
    state = step(ahead, [], NOW, BREAKER)
    assert state.frozen, "what froze it may have been real"
    assert state.until is not None
    assert state.until - NOW <= longest
    state = step(state, [], state.until - timedelta(seconds=1), BREAKER)
    assert state.frozen
    assert state.until is not None
    assert not step(state, [], state.until, BREAKER).frozen


def test_a_cooldown_beyond_what_a_calendar_holds_is_refused_when_settings_are_read() -> None:
    longest = BreakerSettings(cooldown_minutes=5_256_000)
    assert step(BreakerState(), [Alarm("vix", 40.0, 45.0)], NOW, longest).frozen
    for beyond in (1e10, float("inf")):
        with pytest.raises(ValidationError, match="cooldown_minutes"):
            BreakerSettings(cooldown_minutes=beyond)
