"""The textbook rows: worked out by hand, and causal."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_market.decision import textbook
from agent_market.decision.textbook import TextbookRules
from agent_market.errors import DataError
from agent_market.evaluation.textbook import (
    PriceGrid,
    compare,
    measure_positions,
    pairs_in,
    price_grid,
    row_of_equity,
    sharpe_of,
    table,
    textbook_rows,
)

RULES = TextbookRules(trend_days=(1, 2, 3), filter_days=4, volatility_days=3, momentum_days=2, carry_days=2)
PAIRS = ("ETH/USDT", "BTC/USDT", "XRP/USDT")


def some_closes(rows: int, seed: int = 1) -> np.ndarray:
    steps = np.random.default_rng(seed).normal(0.0, 0.02, (rows, len(PAIRS)))
    close = 100.0 * np.exp(steps.cumsum(axis=0))
    close[:7, 2] = np.nan  # listed later
    return close


@settings(max_examples=25, deadline=None)
@given(cut=st.integers(1, 79), seed=st.integers(0, 50))
def test_no_row_changes_when_the_future_is_cut_off(cut: int, seed: int) -> None:
    close = some_closes(80, seed)
    funding = np.random.default_rng(seed).normal(0.0, 1e-4, close.shape)
    whole = textbook.textbook_positions(close, PAIRS, 2, funding, RULES)
    before = textbook.textbook_positions(close[:cut], PAIRS, 2, funding[:cut], RULES)
    assert whole.keys() == before.keys()
    for name, position in before.items():
        # Rolling sums of pandas differ in the last bits with their start.
        np.testing.assert_allclose(position, whole[name][:cut], rtol=1e-9, atol=1e-9, err_msg=name)


def test_the_trend_share_counts_the_horizons_that_rose() -> None:
    close = np.array([[10.0], [12.0], [11.0], [11.5]])
    share = textbook.trend_share(close, (1, 2, 3), 1)[:, 0]
    assert np.isnan(share[:3]).all()
    assert share[3] == pytest.approx(2 / 3)  # up on 1 day, down on 2, up on 3


def test_the_filter_is_unknown_until_its_mean_is_and_then_compares_with_it() -> None:
    above = textbook.above_mean(np.array([[1.0], [2.0], [3.0], [1.0]]), 3, 1)[:, 0]
    assert np.isnan(above[:2]).all()
    assert above[2:].tolist() == [1.0, 0.0]


def test_volatility_is_brought_to_its_target_but_never_levered() -> None:
    scale = textbook.volatility_scale(np.array([0.2, 0.4, 0.8, np.nan]), 0.4)
    assert scale[:3].tolist() == [1.0, 1.0, 0.5]
    assert np.isnan(scale[3])


def test_the_market_is_bitcoin_where_it_is_traded_and_else_everything_alike() -> None:
    close = np.array([[1.0, 10.0], [1.1, 10.0], [1.1, 11.0]])
    led = textbook.market_index(close, ("ETH/USDT", "BTC/USDT"))
    assert led[:, 0].tolist() == [10.0, 10.0, 11.0]
    even = textbook.market_index(close, ("ETH/USDT", "XRP/USDT"))
    assert even[:, 0] == pytest.approx([1.0, 1.05, 1.05 * 1.05])


def test_cross_sectional_momentum_holds_the_winners() -> None:
    close = np.array([[1.0, 1.0, 1.0], [1.1, 1.2, 0.9]])
    held = textbook.cross_sectional(close, 1, 1)
    assert np.isnan(held[0]).all()
    assert held[1].tolist() == [0.0, 1.0, 0.0]


def test_carry_takes_the_side_that_is_paid() -> None:
    funding = np.array([[0.01, -0.01], [0.01, -0.01]])
    assert textbook.carry_position(funding, 1, 2)[1].tolist() == [-1.0, 1.0]


def test_carry_earns_the_funding_that_it_is_paid() -> None:
    grid = flat_grid(8)
    paid = PriceGrid(grid.pairs, 3600, grid.closes, grid.close, grid.fill, np.full((8, 1), 0.001))
    row = measure("carry", np.full((8, 1), -1.0), paid, cost=0.0)
    assert row.total == pytest.approx(1.002**3 - 1.0, abs=1e-5)


def flat_grid(bars: int, price: float = 1.0) -> PriceGrid:
    closes = np.arange(1, bars + 1) * 3600
    return PriceGrid(("BTC/USDT",), 3600, closes, np.full((bars, 1), price), np.full((bars, 1), price))


def measure(name: str, position: np.ndarray, grid: PriceGrid, cost: float):
    first, last = (pd.Timestamp(int(s), unit="s", tz="UTC") for s in (grid.closes[0], grid.closes[-1]))
    return measure_positions(name, position, grid, first, last, cost, every=2, delay=0)


def test_money_is_charged_by_turnover_and_idle_money_counts() -> None:
    grid = flat_grid(8)
    position = np.array([0, 0.5, 0, 0.5, 0, 0.2, 0, 0.9])[:, None]  # decided at bars 2, 4, 6
    row = measure("x", position, grid, cost=0.01)
    assert row.total == pytest.approx((1 - 0.005) * 1.0 * (1 - 0.003) - 1.0)
    assert row.capital == pytest.approx((0.5 + 0.5 + 0.2) / 3)


def test_a_fill_comes_at_the_open_after_the_delay() -> None:
    frame = pd.DataFrame(
        {
            "date": pd.date_range("2024-01-01", periods=6, freq="1h", tz="UTC"),
            "open": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
            "close": [1.5, 2.5, 3.5, 4.5, 5.5, 6.5],
        }
    )
    grid = price_grid({"BTC/USDT": frame.drop(index=2)}, "1h")
    assert grid.close[:, 0].tolist() == [1.5, 2.5, 2.5, 4.5, 5.5, 6.5]
    # The candle from 02:00 is missing: an order of 02:00 is filled at the next open.
    assert grid.fill[:5, 0].tolist() == [2.0, 4.0, 4.0, 5.0, 6.0]


def test_buy_and_hold_is_the_market(tmp_path) -> None:
    grid = PriceGrid(("BTC/USDT",), 3600, np.arange(1, 49) * 3600, *(np.linspace(1, 2, 48)[:, None],) * 2)
    first, last = pd.Timestamp("1970-01-01", tz="UTC"), pd.Timestamp("1970-01-03", tz="UTC")
    rows = {row.name: row for row in textbook_rows(grid, first, last, 0.0, every=4, delay=0)}
    assert rows["buy and hold"].total == pytest.approx(grid.close[47, 0] / grid.close[3, 0] - 1.0)
    assert "cross-sectional momentum x volatility" in rows
    assert "buy and hold" in table(tuple(rows.values()))
    with pytest.raises(DataError, match="no 1h candles"):
        pairs_in(tmp_path)


def test_an_account_is_measured_as_the_rows_are() -> None:
    days = pd.date_range("2024-01-01", periods=5, freq="1D", tz="UTC")
    equity = pd.Series([100.0, 110.0, 99.0, 99.0, 108.9], index=days)
    row = row_of_equity("ours", equity, equity * 0.25, turned_over=2.0)
    assert row.daily.to_numpy() == pytest.approx([0.1, -0.1, 0.0, 0.1])
    assert row.drawdown == pytest.approx(0.1)
    assert row.capital == pytest.approx(0.25)
    assert row.sharpe == pytest.approx(sharpe_of(np.array([0.1, -0.1, 0.0, 0.1])))
    same = compare(row, row)
    assert same.mean == 0.0
