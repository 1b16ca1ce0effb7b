"""One account, step by step, against answers worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from agent_market.rl.env.batch import TradingBatch
from agent_market.rl.env.market import MarketArrays
from agent_market.rl.env.settings import EnvSettings
from tests.helpers.env_markets import market, random_market

SHORT, FLAT, LONG = 0.0, 1.0, 2.0
FREE = {"fee": 0.0, "slippage": 0.0, "stake_fraction": 1.0, "can_short": True, "reward_scale": 1.0}


def begin(arrays: MarketArrays, **settings: Any) -> TradingBatch:
    batch = TradingBatch(arrays, EnvSettings(**{**FREE, **settings}))
    batch.reset(np.random.default_rng(0))
    return batch


def step(batch: TradingBatch, action: float) -> float:
    batch.advance(np.array([action]))
    return float(batch.rewards[0])


def value(batch: TradingBatch, name: str) -> float:
    return float(batch.accounts[name][0])


def test_an_action_fills_at_the_next_candles_open() -> None:
    batch = begin(market([100, 200, 300, 300], [150, 250, 300, 300]))
    assert step(batch, LONG) == pytest.approx(250 / 200 - 1)
    assert value(batch, "quantity") == pytest.approx(1000 / 200)


def test_fee_and_slippage_are_paid_on_each_fill() -> None:
    batch = begin(market([100, 100, 100, 100], [100, 100, 100, 100]), fee=0.01, slippage=0.02)
    step(batch, LONG)
    amount = 1000 / 102
    assert value(batch, "quantity") == pytest.approx(amount)
    assert value(batch, "cash") == pytest.approx(-0.01 * 1000)
    step(batch, FLAT)
    assert value(batch, "cash") == pytest.approx(-10 + amount * 98 * 0.99)


def test_a_short_gains_what_the_price_loses() -> None:
    batch = begin(market([100, 100, 80, 80], [100, 90, 80, 80]), fee=0.001)
    step(batch, SHORT)
    assert value(batch, "quantity") == pytest.approx(-10)
    assert value(batch, "equity") == pytest.approx(1000 + 10 * 10 - 1)
    step(batch, FLAT)
    assert value(batch, "equity") == pytest.approx(1000 + 10 * 20 - 1 - 0.8)


def test_turning_round_leaves_first_and_enters_with_what_is_left() -> None:
    batch = begin(market([100, 100, 110, 110], [100, 110, 110, 110]), fee=0.01)
    step(batch, LONG)
    step(batch, SHORT)
    left = 1000 - 10 + 100 - 11
    assert value(batch, "quantity") == pytest.approx(-left / 110)
    assert value(batch, "cash") == pytest.approx(left * 1.99)


def test_without_permission_to_short_a_short_is_flat() -> None:
    batch = begin(market([100] * 4, [100] * 4), can_short=False)
    step(batch, SHORT)
    assert value(batch, "quantity") == 0.0


def test_funding_is_paid_at_the_open_before_and_after_a_fill_and_inside_the_candle() -> None:
    # in stake currency per unit: 2 at the open of candles 1, 2 and 3, and 1 inside candle 2
    arrays = market([100] * 5, [100] * 5, ([0, 2, 2, 2, 0], [0, 0, 1, 0, 0]))
    batch = begin(arrays)
    step(batch, LONG)  # nothing before, 10 units after: 20
    assert value(batch, "equity") == pytest.approx(980)
    step(batch, LONG)  # held throughout: 20 once, and 10 inside
    assert value(batch, "equity") == pytest.approx(950)
    step(batch, SHORT)  # the long pays 20, the short of 9.3 units gets 18.6
    assert value(batch, "equity") == pytest.approx(930 + 9.3 * 2)


def test_leverage_multiplies_the_position_not_the_balance() -> None:
    batch = begin(market([100] * 4, [100, 101, 101, 101]), leverage=3.0, stake_fraction=0.5)
    assert step(batch, LONG) == pytest.approx(1.5 * 0.01)
    assert value(batch, "quantity") == pytest.approx(15)


def test_amounts_are_cut_to_whole_lots() -> None:
    batch = begin(market([300] * 4, [300] * 4), amount_step=0.5)
    step(batch, LONG)
    assert value(batch, "quantity") == pytest.approx(3.0)


def test_an_order_below_one_lot_is_not_placed() -> None:
    batch = begin(market([300] * 4, [300] * 4), amount_step=5.0)
    step(batch, LONG)
    assert (value(batch, "quantity"), value(batch, "depth")) == (0.0, 0.0)


def test_a_target_is_a_share_of_equity_and_small_changes_are_not_traded() -> None:
    batch = begin(market([100, 100, 100, 200, 200, 200], [100, 100, 200, 200, 200, 200]), actions="target")
    step(batch, 0.5)
    assert value(batch, "quantity") == pytest.approx(5)
    step(batch, 0.55)
    assert value(batch, "quantity") == pytest.approx(5)
    step(batch, 0.25)  # equity is 500 + 5 * 200; a quarter of it at 200 is 1.875
    assert value(batch, "quantity") == pytest.approx(1.875)
    assert value(batch, "entry") == pytest.approx(100)


def test_a_larger_target_adds_and_averages_the_entry_price() -> None:
    batch = begin(market([100, 100, 200, 200, 200], [100, 200, 200, 200, 200]), actions="target")
    step(batch, 0.5)
    step(batch, 1.0)  # equity 1500, at 200: 7.5 units, 2.5 of them new
    assert value(batch, "quantity") == pytest.approx(7.5)
    assert value(batch, "entry") == pytest.approx((5 * 100 + 2.5 * 200) / 7.5)


def test_a_position_that_grew_past_a_larger_target_is_not_sold_for_it() -> None:
    batch = begin(market([100, 100, 900, 900, 900], [100, 900, 900, 900, 900]), actions="target")
    step(batch, 0.5)  # now 90% of equity
    step(batch, 0.8)
    assert value(batch, "quantity") == pytest.approx(5)


def test_grades_are_halves() -> None:
    batch = begin(market([100] * 6, [100] * 6), actions="grades")
    for action, units in ((3, 5), (4, 10), (1, -5), (2, 0)):
        step(batch, action)
        assert value(batch, "quantity") == pytest.approx(units)


def test_orders_are_freqais_five_and_those_that_do_not_apply_do_nothing() -> None:
    hold, enter_long, exit_long, enter_short, exit_short = range(5)
    batch = begin(market([100] * 20, [100] * 20), actions="orders")
    for action, units in (
        (exit_long, 0),
        (enter_long, 10),
        (enter_long, 10),
        (enter_short, 10),
        (exit_short, 10),
        (hold, 10),
        (exit_long, 0),
        (hold, 0),
        (enter_short, -10),
        (exit_long, -10),
        (exit_short, 0),
    ):
        mask = batch.action_masks()[0]
        before = value(batch, "quantity")
        step(batch, action)
        assert value(batch, "quantity") == pytest.approx(units)
        assert action == hold or mask[action] == (value(batch, "quantity") != before)


def test_the_last_candle_closes_the_position_at_its_open() -> None:
    batch = begin(market([100, 100, 110, 120], [100, 100, 110, 999]), fee=0.01)
    step(batch, LONG)
    step(batch, LONG)
    assert not batch.truncated[0]
    step(batch, LONG)
    assert batch.truncated[0]
    assert not batch.terminated[0]
    assert value(batch, "equity") == value(batch, "cash") == pytest.approx(1000 - 10 + 200 - 12)


def test_the_drawdown_stop_ends_the_episode_and_pays_for_leaving() -> None:
    arrays = market([100, 100, 100, 100, 100], [100, 120, 95, 100, 100])
    batch = begin(arrays, max_drawdown=0.2, fee=0.01)
    step(batch, LONG)
    assert not batch.terminated[0]
    reward = step(batch, LONG)  # from 1190 to 940 is 21%
    assert batch.terminated[0]
    assert not batch.truncated[0]
    assert value(batch, "equity") == pytest.approx(940 - 9.5)
    assert reward == pytest.approx((940 - 9.5) / 1190 - 1)


def test_an_account_that_loses_everything_stops_even_without_a_limit() -> None:
    batch = begin(market([100] * 4, [100, 60, 100, 100]), leverage=3.0, max_drawdown=1.0)
    step(batch, LONG)
    assert batch.terminated[0]


def test_return_depth_is_return_times_depth_less_costs() -> None:
    batch = begin(market([100] * 4, [100, 103, 103, 103]), actions="target", fee=0.001)
    assert step(batch, 0.5) == pytest.approx(0.5 * 0.03 - 0.5 * 0.001)


def test_differential_sharpe_is_moody_and_saffells() -> None:
    arrays = market([100] * 5, [100, 102, 99, 99, 99])
    batch = begin(arrays, reward="differential_sharpe", sharpe_rate=0.1, sharpe_prior=0.02)
    mean, square = 0.0, 0.02**2
    for gain in (1020 / 1000 - 1, 990 / 1020 - 1):
        to_mean, to_square = gain - mean, gain**2 - square
        expected = (square * to_mean - 0.5 * mean * to_square) / (square - mean**2) ** 1.5
        assert step(batch, LONG) == pytest.approx(expected)
        mean, square = mean + 0.1 * to_mean, square + 0.1 * to_square


def test_differential_sharpe_is_the_derivative_of_the_moving_sharpe_ratio() -> None:
    gain, mean, square = 0.013, 0.002, 0.0005
    rate = 1e-7

    def sharpe(eta: float) -> float:
        a, b = mean + eta * (gain - mean), square + eta * (gain**2 - square)
        return float(a / np.sqrt(b - a * a))

    arrays = market([1000] * 4, [1000, 1013, 1013, 1013])
    batch = begin(arrays, reward="differential_sharpe")
    batch.accounts["mean"], batch.accounts["square"] = mean, square
    assert step(batch, LONG) == pytest.approx((sharpe(rate) - sharpe(0.0)) / rate, rel=1e-5)


def test_drawdown_aware_charges_new_drawdown_once_and_gives_nothing_back() -> None:
    arrays = market([100] * 6, [100, 110, 99, 104.5, 104.5, 104.5])
    batch = begin(arrays, reward="drawdown_aware", drawdown_weight=2.0)
    assert step(batch, LONG) == pytest.approx(0.1)
    assert step(batch, LONG) == pytest.approx(-0.1 - 2.0 * 0.1)
    assert step(batch, LONG) == pytest.approx(104.5 / 99 - 1)


def test_an_observation_is_the_window_of_features_and_the_position() -> None:
    batch = begin(market([100, 100, 100, 100, 100, 100], [100, 100, 100, 110, 100, 100]), window=3)
    assert batch.observation_names == ("row[-2]", "row[-1]", "row", "position", "open_return", "age")
    np.testing.assert_array_equal(batch.observe(), [[0, 1, 2, 0, 0, 0]])
    step(batch, SHORT)
    expected = [[1, 2, 3, -1, -0.1, 1 / 25]]
    np.testing.assert_allclose(batch.observe(), expected, rtol=1e-6)


@pytest.mark.parametrize("bad", [-1.0, 3.0, 0.5, np.nan])
def test_a_number_that_is_no_action_is_refused_and_moves_nobody(bad: float) -> None:
    batch = TradingBatch(random_market(0), EnvSettings(), 3)
    batch.reset(np.random.default_rng(0))
    before = batch.accounts.copy()
    with pytest.raises(ValueError, match="account 1"):
        batch.advance(np.array([LONG, bad, LONG]))
    np.testing.assert_array_equal(batch.accounts, before)
