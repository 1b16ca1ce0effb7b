from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_market.config import CostSettings, DecisionSettings
from agent_market.outcomes import expected_std, measure, previous_decisions, rewards_of, scaled_reward
from agent_market.records import Episode, Outcome
from tests.helpers.episode_makers import a_view, an_episode, an_outcome

HOUR = 3600
COST = CostSettings(fee=0.001, slippage=0.0).round_trip

# Opens at hour n; (open, high, low, close). Decided at the close of candle 0, at hour 1.
CANDLES = {
    0: (90.0, 99.0, 80.0, 99.0),
    1: (100.0, 104.0, 98.0, 102.0),
    2: (102.0, 120.0, 101.0, 110.0),
    3: (110.0, 111.0, 88.0, 105.0),
    4: (105.0, 300.0, 1.0, 106.0),
    5: (106.0, 107.0, 105.0, 106.0),
}


def known_at(hour: int) -> datetime:
    return datetime.fromtimestamp(hour * HOUR, UTC)


def outcome_of(candles: dict[int, tuple[float, ...]], asof: int = 1, horizon: int = 3) -> Outcome | None:
    times = np.array(sorted(candles), dtype=np.int64) * HOUR
    prices = np.array([candles[hour] for hour in sorted(candles)], dtype=float).reshape(-1, 4)
    return measure(times, *prices.T, asof * HOUR, horizon, HOUR, COST)


def without(*hours: int) -> dict[int, tuple[float, ...]]:
    return {hour: prices for hour, prices in CANDLES.items() if hour not in hours}


def test_the_return_runs_from_the_next_open_to_the_close_of_the_last_candle() -> None:
    outcome = outcome_of(CANDLES)
    assert outcome is not None
    assert outcome.market_return == pytest.approx(0.05)  # 100 -> 105, not from the close 99 decided on
    assert outcome.best == pytest.approx(0.20)  # 120
    assert outcome.worst == pytest.approx(-0.12)  # 88, and not the 1 of the candle after
    assert outcome.cost == pytest.approx(0.002)
    assert outcome.known_at == known_at(4)


def test_an_outcome_is_unknown_until_the_last_candle_of_the_horizon_has_closed() -> None:
    assert outcome_of(without(3, 4, 5)) is None
    assert outcome_of({}) is None
    assert outcome_of(without(4, 5)) == outcome_of(CANDLES)


def test_a_gap_inside_changes_nothing_but_the_excursions_it_hid() -> None:
    outcome = outcome_of(without(2))
    assert outcome is not None
    assert outcome.market_return == pytest.approx(0.05)
    assert outcome.best == pytest.approx(0.11)
    assert outcome.known_at == known_at(4)


def test_a_missing_entry_candle_enters_at_the_next_open() -> None:
    outcome = outcome_of(without(1))
    assert outcome is not None
    assert outcome.market_return == pytest.approx(105 / 102 - 1)


def test_a_missing_last_candle_leaves_at_the_one_before_and_is_known_when_the_next_one_closes() -> None:
    assert outcome_of(without(3, 4, 5)) is None
    outcome = outcome_of(without(3))
    assert outcome is not None
    assert outcome.market_return == pytest.approx(0.10)
    assert outcome.worst == pytest.approx(-0.02)
    assert outcome.known_at == known_at(5)
    assert outcome_of(without(3, 4)) == Outcome(
        outcome.market_return, outcome.best, outcome.worst, outcome.cost, known_at(6)
    )


def test_when_the_gap_swallows_the_horizon_the_first_candle_after_it_stands_for_it() -> None:
    outcome = outcome_of(without(1, 2, 3))
    assert outcome is not None
    assert outcome.market_return == pytest.approx(106 / 105 - 1)
    assert outcome.best == pytest.approx(300 / 105 - 1)
    assert outcome.known_at == known_at(5)
    assert outcome_of(without(1, 2, 3, 4, 5)) is None


@pytest.mark.parametrize("first", [2, 3, 4, 5])
def test_candles_that_begin_after_the_decision_do_not_tell_its_outcome(first: int) -> None:
    """A bot that was down for longer than the candles it loads: what came before them is no gap."""
    begin_late = {hour: prices for hour, prices in CANDLES.items() if hour >= first}
    assert outcome_of(begin_late) is None
    assert outcome_of({hour: prices for hour, prices in CANDLES.items() if hour >= 1}) == outcome_of(CANDLES)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 0.0, -1.0])
@pytest.mark.parametrize("column", range(4))
def test_a_candle_with_an_impossible_price_is_a_missing_one(bad: float, column: int) -> None:
    for hour in (1, 2, 3):
        prices = list(CANDLES[hour])
        prices[column] = bad
        assert outcome_of({**CANDLES, hour: tuple(prices)}) == outcome_of(without(hour))


gappy = st.sets(st.integers(0, 11)).map(sorted)


@settings(max_examples=200, deadline=None)
@given(gappy, st.integers(0, 9), st.integers(1, 5))
def test_candles_that_close_after_it_was_known_change_no_outcome(hours, asof, horizon) -> None:
    rng = np.random.default_rng(1)
    candles = {hour: tuple(rng.uniform(1, 2, size=4)) for hour in range(12) if hour in hours}
    outcome = outcome_of(candles, asof, horizon)
    for cut in range(13):
        seen = {hour: prices for hour, prices in candles.items() if hour + 1 <= cut}
        known = outcome is not None and outcome.known_at <= known_at(cut)
        assert outcome_of(seen, asof, horizon) == (outcome if known else None)
    if outcome is not None:
        assert outcome.known_at >= known_at(asof + horizon)


def test_costs_weigh_the_same_on_both_sides_and_grow_with_depth() -> None:
    up = Outcome(0.05, 0.05, 0.0, 0.002, known_at(4))
    down = Outcome(-0.05, 0.0, -0.05, 0.002, known_at(4))
    assert up.reward(10.0) == pytest.approx(0.049)
    assert up.reward(-10.0) == pytest.approx(-0.051)
    assert down.reward(-10.0) == up.reward(10.0)
    assert up.reward(5.0) == pytest.approx(0.0245)
    assert up.reward(0.0) == 0.0


def test_rewards_are_scaled_by_the_expected_move_and_clipped() -> None:
    settings_ = DecisionSettings(reward_scale=3.0)
    outcome = an_outcome(4, 0.03, cost=0.002)
    assert scaled_reward(outcome, 10.0, 0.02, settings_) == pytest.approx(0.029 / 0.06)
    assert scaled_reward(outcome, -10.0, 0.02, settings_) == pytest.approx(-0.031 / 0.06)
    assert scaled_reward(outcome, 10.0, 0.001, settings_) == 1.0
    assert scaled_reward(outcome, -10.0, 0.001, settings_) == -1.0
    assert scaled_reward(outcome, 0.0, 0.02, settings_) == 0.0


def test_only_the_change_of_a_position_is_charged() -> None:
    outcome = Outcome(0.05, 0.05, 0.0, 0.002, known_at(4))
    assert outcome.reward(10.0, held=10.0) == pytest.approx(0.05)
    assert outcome.reward(10.0, held=-10.0) == pytest.approx(0.05 - 0.002)
    assert outcome.reward(0.0, held=5.0) == pytest.approx(-0.0005)


def test_an_agent_that_holds_on_to_its_view_pays_for_it_once() -> None:
    settings_ = DecisionSettings(reward_scale=1.0, max_age_candles=24)

    def decided(hour: int) -> Episode:
        outcome = an_outcome(hour + 12, 0.0, cost=0.002)
        return an_episode(hour, depths={"a": 10.0}, outcome=outcome)

    made = [decided(hour) for hour in (0, 12, 24, 100)]
    before = previous_decisions(reversed(made), settings_)
    paid = [rewards_of(e, settings_, before.get((e.view.pair, e.view.asof)))["a"] < 0.0 for e in made]
    assert paid == [True, False, False, True]  # the one before the last had expired: it is entered again


def test_where_no_move_was_expected_the_reward_is_its_sign() -> None:
    rewards = [
        scaled_reward(an_outcome(4, 0.01), depth, 0.0, DecisionSettings()) for depth in (3.0, -3.0, 0.0)
    ]
    assert rewards == [1.0, -1.0, 0.0]


@pytest.mark.parametrize("std", [-0.01, float("nan")])
def test_an_expected_deviation_that_is_none_is_refused(std: float) -> None:
    with pytest.raises(ValueError, match="expected_std"):
        scaled_reward(an_outcome(4), 1.0, std, DecisionSettings())


def test_the_expected_deviation_grows_with_the_root_of_the_horizon() -> None:
    assert expected_std(a_view(0, features={"volatility_24": 0.01}), 16) == pytest.approx(0.04)
    assert expected_std(a_view(0, features={}), 16) is None


def test_an_episode_without_outcome_has_no_rewards() -> None:
    assert rewards_of(an_episode(0), DecisionSettings()) == {}
