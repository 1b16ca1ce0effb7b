"""Turbulence: a value by hand, the definition written plainly, causality, and pairs that come and go."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_market.features.turbulence import turbulence

WINDOW = 30


def joint_returns(rows: int, pairs: int, seed: int) -> pd.DataFrame:
    """Correlated returns with one common driver."""
    rng = np.random.default_rng(seed)
    driver = rng.normal(0.0, 0.01, (rows, 1))
    values = driver + rng.normal(0.0, 0.005, (rows, pairs))
    index = pd.date_range("2024-01-01", periods=rows, freq="h", tz="UTC")
    return pd.DataFrame(values, index=index, columns=[f"P{i}" for i in range(pairs)])


def plainly(returns: pd.DataFrame, row: int, window: int) -> float:
    """The formula of the docstring for one row."""
    before, now = returns.iloc[row - window : row], returns.iloc[row]
    n = returns.shape[1]
    correlation = before.corr().to_numpy() * window / (n + window) + np.eye(n) * n / (n + window)
    score = ((now - before.mean()) / before.std()).to_numpy()
    return float(score @ np.linalg.inv(correlation) @ score) / n


def test_two_pairs_by_hand():
    # In the window both pairs have mean 0, variance 1/3 x 4 x 0.01^2 and correlation 0.
    window = np.array([[0.01, 0.01], [0.01, -0.01], [-0.01, 0.01], [-0.01, -0.01]])
    returns = pd.DataFrame(np.vstack([window, [0.02, 0.0]]))
    # One pair moves 2 x 0.01: 4 / (4/3) = 3 squared deviations, over two pairs.
    assert turbulence(returns, 4)["turbulence"].iloc[-1] == pytest.approx(1.5)


def test_a_move_against_the_correlation_is_more_turbulent_than_one_along_it():
    returns = joint_returns(201, 2, seed=1)
    along, against = returns.copy(), returns.copy()
    along.iloc[-1] = [0.02, 0.02]
    against.iloc[-1] = [0.02, -0.02]
    assert turbulence(against, 200)["turbulence"].iloc[-1] > 3 * turbulence(along, 200)["turbulence"].iloc[-1]


@pytest.mark.parametrize("pairs", [2, 5, 40])
def test_every_row_agrees_with_the_formula_written_plainly(pairs):
    returns = joint_returns(WINDOW + 20, pairs, seed=pairs)
    measured = turbulence(returns, WINDOW)["turbulence"]
    assert measured.iloc[:WINDOW].isna().all()
    expected = [plainly(returns, row, WINDOW) for row in range(WINDOW, len(returns))]
    np.testing.assert_allclose(measured.iloc[WINDOW:], expected, rtol=1e-8)


@pytest.mark.parametrize("pairs", [2, 5, 20])
def test_an_ordinary_market_has_a_turbulence_of_about_one_with_a_few_pairs(pairs):
    assert 0.75 < turbulence(joint_returns(2000, pairs, seed=0), 240)["turbulence"].mean() < 1.25


def test_the_shock_does_not_widen_the_measure_it_is_held_against():
    returns = joint_returns(300, 3, seed=2)
    returns.iloc[-1] = 1.0
    assert turbulence(returns, WINDOW)["turbulence"].iloc[-1] > 1000


def test_the_percentile_of_a_crash_is_one():
    returns = joint_returns(300, 3, seed=3)
    returns.iloc[-1] = [-0.3, -0.2, -0.4]
    measured = turbulence(returns, WINDOW)
    assert measured["turbulence_percentile"].iloc[-1] == 1.0
    assert measured["turbulence_percentile"].dropna().between(0, 1).all()
    assert measured["turbulence_percentile"].iloc[: WINDOW + WINDOW // 2 - 1].isna().all()


def test_a_pair_counts_once_it_has_a_full_window():
    returns = joint_returns(200, 4, seed=4)
    returns.iloc[:100, 3] = np.nan  # listed at row 100
    measured = turbulence(returns, WINDOW)["turbulence"]
    three = turbulence(returns.iloc[:, :3], WINDOW)["turbulence"]
    four = turbulence(returns.iloc[100:], WINDOW)["turbulence"]
    pd.testing.assert_series_equal(measured.iloc[: 100 + WINDOW], three.iloc[: 100 + WINDOW])
    pd.testing.assert_series_equal(measured.iloc[100 + WINDOW :], four.iloc[WINDOW:])


@pytest.mark.parametrize("stale", [0.0, 0.01])
def test_a_pair_that_does_not_trade_is_left_out_not_infinite(stale):
    returns = joint_returns(200, 3, seed=5)
    returns.iloc[:, 2] = stale
    with_stale = turbulence(returns, WINDOW)
    pd.testing.assert_frame_equal(with_stale, turbulence(returns.iloc[:, :2], WINDOW))


@pytest.mark.parametrize("pairs", [0, 1])
def test_fewer_than_two_pairs_have_no_turbulence(pairs):
    returns = joint_returns(100, 2, seed=6).iloc[:, :pairs]
    measured = turbulence(returns, WINDOW)
    assert len(measured) == 100
    assert measured.isna().all(axis=None)


def test_two_identical_pairs_and_an_infinite_return_give_no_infinity():
    returns = joint_returns(200, 3, seed=7)
    returns["P1"] = returns["P0"]
    returns.iloc[120, 2] = np.inf
    measured = turbulence(returns, WINDOW)
    assert np.isfinite(measured["turbulence"].iloc[WINDOW:]).all()
    assert measured["turbulence"].iloc[WINDOW:].max() < 100


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), pairs=st.integers(2, 6), data=st.data())
def test_neither_the_future_nor_old_history_changes_anything(seed, pairs, data):
    returns = joint_returns(data.draw(st.integers(1, 200)), pairs, seed)
    if data.draw(st.booleans()):
        returns.iloc[: data.draw(st.integers(0, len(returns))), 0] = np.nan
    whole = turbulence(returns, WINDOW)
    cut = data.draw(st.integers(1, len(returns)))
    pd.testing.assert_frame_equal(turbulence(returns.iloc[:cut], WINDOW), whole.iloc[:cut], rtol=1e-9)
    start = data.draw(st.integers(0, len(returns) - 1))
    late = turbulence(returns.iloc[start:], WINDOW).iloc[2 * WINDOW :]
    pd.testing.assert_frame_equal(late, whole.iloc[start + 2 * WINDOW :], rtol=1e-9)


def test_many_pairs_are_measured_in_pieces_with_the_same_result(monkeypatch):
    returns = joint_returns(300, 8, seed=8)
    whole = turbulence(returns, WINDOW)
    monkeypatch.setattr("agent_market.features.turbulence._CHUNK_CELLS", 1)
    pd.testing.assert_frame_equal(turbulence(returns, WINDOW), whole, rtol=1e-9)


def test_the_xrp_ruling_of_july_2023_is_the_most_turbulent_hour_of_five_years(test_data):
    closes = {
        path.name.split("_")[0]: pd.read_feather(path).set_index("date")["close"]
        for path in sorted((test_data / "candles/binance").glob("*-1h.feather"))
    }
    returns = np.log(pd.DataFrame(closes)).diff()
    measured = turbulence(returns, 240)
    assert measured["turbulence"].idxmax() == pd.Timestamp("2023-07-13 15:00", tz="UTC")
    assert measured["turbulence"].iloc[241:].notna().all()


def test_forty_five_thousand_rows_of_five_pairs_take_under_300_ms():
    returns = joint_returns(45_000, 5, seed=0)
    assert min(_seconds(lambda: turbulence(returns, 240)) for _ in range(5)) < 0.300


def _seconds(work) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start
