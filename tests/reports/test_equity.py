from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_market.reports.equity import buy_and_hold, candle_grid, costs_paid, daily_grid, equity_curve
from tests.helpers.backtest_results import FEE, START, make_candles, make_trade

DAY = timedelta(days=1)


def frame(*trades):
    return pd.DataFrame(list(trades))


def test_an_open_position_is_marked_to_the_last_complete_close_less_the_closing_fee():
    closes = [100.0] * 24 + [80.0] * 24 + [110.0] * 24
    grid = daily_grid(START, START + 3 * DAY)
    trade = make_trade(hours=72, open_rate=100.0, close_rate=110.0)
    curve = equity_curve(frame(trade), {"BTC/USDT": make_candles(closes)}, grid, 1000.0, "1h")
    bought = 100.0 + 100.0 * FEE
    assert curve.equity.tolist() == pytest.approx(
        [1000.0, 1000 - bought + 100 - 0.1, 1000 - bought + 80 - 0.08, 1000 + trade["profit_abs"]]
    )
    assert curve.invested.tolist() == pytest.approx([0.0, 100.0, 80.0, 0.0])


def test_a_fall_within_a_day_counts_though_the_daily_values_do_not_show_it():
    closes = [100.0] * 12 + [60.0] * 6 + [100.0] * 30
    trade = make_trade(hours=48, close_rate=100.0, amount=5.0, fee=0.0)
    end = START + 2 * DAY
    fine = equity_curve(
        frame(trade), {"BTC/USDT": make_candles(closes)}, candle_grid(START, end, "1h"), 1000.0, "1h"
    )
    daily = fine.at(daily_grid(START, end))
    assert daily.equity.tolist() == [1000, 1000, 1000]
    assert daily.drawdown.tolist() == pytest.approx([0, 0.2, 0])
    assert len(fine.equity) == 49


def test_a_short_gains_when_the_price_falls():
    grid = daily_grid(START, START + 2 * DAY)
    candles = make_candles([100.0] * 23 + [90.0] * 25)
    trade = make_trade(hours=48, open_rate=100.0, close_rate=90.0, is_short=True)
    curve = equity_curve(frame(trade), {"BTC/USDT": candles}, grid, 1000.0, "1h")
    assert curve.equity.iloc[1] == pytest.approx(1000 + 10 - 0.1 - 0.09)
    assert curve.equity.iloc[-1] == pytest.approx(1000 + trade["profit_abs"])


def test_a_second_entry_and_a_partial_exit_change_what_is_marked():
    grid = daily_grid(START, START + 4 * DAY)
    candles = make_candles([100.0] * 24 + [120.0] * 24 + [150.0] * 24 + [150.0] * 24)
    trade = make_trade(hours=96, amount=2.0, open_rate=110.0, close_rate=150.0, fee=0.0)
    fills = [(0, 1.0, 100.0, True), (1, 1.0, 120.0, True), (2, 1.0, 150.0, False), (4, 1.0, 150.0, False)]
    trade["orders"] = [
        {
            "amount": amount,
            "safe_price": price,
            "ft_is_entry": entry,
            "order_filled_timestamp": int((START + day * DAY).timestamp() * 1000),
        }
        for day, amount, price, entry in fills
    ]
    curve = equity_curve(frame(trade), {"BTC/USDT": candles}, grid, 1000.0, "1h")
    # day 1: one at 100 marked 100, second just bought at 120 marked at the close before, 100
    # day 2: two marked 120, one of them just sold at 150; day 3: 150 - 100 + 150 - 120
    assert curve.equity.tolist() == pytest.approx([1000, 980, 1050, 1080, 1080])
    assert curve.invested.tolist() == pytest.approx([0, 200, 120, 150, 0])


def test_a_pair_without_candles_stands_at_its_last_fill():
    grid = daily_grid(START, START + 2 * DAY)
    curve = equity_curve(frame(make_trade(hours=48, fee=0.0)), {}, grid, 1000.0, "1h")
    assert curve.equity.tolist() == pytest.approx([1000, 1000, 1010])


def test_no_trade_is_a_flat_line():
    grid = daily_grid(START, START + 5 * DAY)
    assert equity_curve(pd.DataFrame(), {}, grid, 1000.0, "1h").equity.tolist() == [1000.0] * 6


def test_funding_that_freqtrade_booked_is_in_the_closing_profit_and_in_the_costs():
    grid = daily_grid(START, START + 2 * DAY)
    trade = make_trade(hours=24)
    trade["profit_abs"] -= 3.0
    trade["funding_fees"] = -3.0
    curve = equity_curve(frame(trade), {}, grid, 1000.0, "1h")
    assert curve.equity.iloc[-1] == pytest.approx(1000 + 10 - 0.21 - 3)
    assert costs_paid(frame(trade)) == pytest.approx(0.21 + 3)


def test_steps_shorter_than_half_a_day_join_their_neighbour():
    grid = daily_grid(START + timedelta(hours=14), START + timedelta(days=3, hours=1))
    assert [t.strftime("%d %H") for t in grid] == ["01 14", "03 00", "04 01"]
    assert grid[0] == pd.Timestamp(START + timedelta(hours=14))
    assert grid[-1] == pd.Timestamp(START + timedelta(days=3, hours=1))
    assert len(daily_grid(START, START)) == 1


def test_buying_and_holding_pays_both_fees_and_ends_at_the_last_open():
    grid = daily_grid(START, START + 3 * DAY)
    candles = make_candles([100.0] * 24 + [80.0] * 24 + [160.0] * 24 + [200.0])
    result = buy_and_hold({"A/USDT": candles}, ("A/USDT",), grid, 1000.0, 0.001, "1h")
    assert result is not None
    curve, costs = result
    amount = 1000 / (100 * 1.001)
    # The last candle opens at 160; its own close of 200 lies after the end.
    assert curve.equity.iloc[-1] == pytest.approx(amount * 160 * 0.999)
    assert curve.equity.iloc[2] == pytest.approx(amount * 80 * 0.999)
    assert costs == pytest.approx(amount * 100 * 0.001 + amount * 160 * 0.001)


def test_buying_and_holding_splits_the_balance_and_is_absent_when_a_pair_is():
    grid = daily_grid(START, START + 1 * DAY)
    rising, flat = make_candles([100.0] * 24 + [200.0] * 2), make_candles([50.0] * 26)
    both = {"A/USDT": rising.iloc[:25], "B/USDT": flat.iloc[:25]}
    result = buy_and_hold(both, ("A/USDT", "B/USDT"), grid, 1000.0, 0.0, "1h")
    assert result is not None
    assert result[0].equity.iloc[-1] == pytest.approx(1000.0)
    assert buy_and_hold(both, ("A/USDT", "C/USDT"), grid, 1000.0, 0.0, "1h") is None


@given(
    st.lists(
        st.tuples(st.integers(0, 200), st.integers(1, 100), st.floats(50, 200), st.booleans()), max_size=8
    )
)
def test_the_curve_ends_at_the_sum_of_profits_whatever_happened_on_the_way(parts):
    rng = np.random.default_rng(3)
    candles = make_candles(100 * np.exp(np.cumsum(rng.normal(0, 0.01, 24 * 15))))
    trades = [
        make_trade(opened=START + timedelta(hours=begin), hours=hours, close_rate=rate, is_short=short)
        for begin, hours, rate, short in parts
    ]
    grid = daily_grid(START, START + 15 * DAY)
    curve = equity_curve(pd.DataFrame(trades), {"BTC/USDT": candles}, grid, 1000.0, "1h")
    assert curve.equity.iloc[-1] == pytest.approx(1000 + sum(t["profit_abs"] for t in trades))
    assert curve.invested.iloc[-1] == 0
