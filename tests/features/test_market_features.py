"""Market features: values by hand, ranges, causality, finite memory, and candles that lack something."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from agent_market.errors import DataError
from agent_market.features.features import FEATURES, WARM_UP, market_features
from tests.helpers.candle_makers import candles, market, markets

NAMES = [spec.name for spec in FEATURES]
BOUNDS = {
    "trend": (-np.sqrt(72), np.sqrt(72)),
    "efficiency_24": (-1, 1),
    "rsi_14": (0, 1),
    "bollinger_z": (-19 / np.sqrt(20), 19 / np.sqrt(20)),
    "channel_position": (0, 1),
    "volatility_24": (0, np.inf),
    "volatility_168": (0, np.inf),
    "volatility_ratio": (0, np.inf),
    "volatility_percentile": (0, 1),
    "range_volatility_24": (0, np.inf),
    "downside_share_72": (0, 1),
    "drawdown": (0, 1),
    "volume_z": (-167 / np.sqrt(168), 167 / np.sqrt(168)),
    "volume_trend": (-1, 0.75),
    "volume_balance_24": (-1, 1),
    "chaikin_flow_24": (-1, 1),
}


def last(frame: pd.DataFrame) -> pd.Series:
    return market_features(frame).iloc[-1]


def zigzag(rows: int, up: float, down: float) -> np.ndarray:
    """Closes whose log returns alternate up, down, up, ...; the last one is `down` if rows is odd."""
    steps = np.where(np.arange(rows - 1) % 2 == 0, up, down)
    return 100.0 * np.exp(np.concatenate([[0.0], np.cumsum(steps)]))


def test_returns_are_simple_returns_over_their_horizon():
    close = np.linspace(100.0, 200.0, 201)
    row = last(candles(close))

    for horizon in (1, 4, 12, 24, 72, 168):
        assert row[f"return_{horizon}"] == pytest.approx(200.0 / (200.0 - 0.5 * horizon) - 1.0)


def test_rsi_is_the_share_of_gains_in_fourteen_moves():
    # seven gains of 0.02 and seven losses of 0.01: 0.14 / (0.14 + 0.07)
    assert last(candles(zigzag(201, 0.02, -0.01)))["rsi_14"] == pytest.approx(2 / 3)
    assert last(candles(np.geomspace(1, 2, 201)))["rsi_14"] == 1.0
    assert last(candles(np.geomspace(2, 1, 201)))["rsi_14"] == 0.0


def test_a_zigzag_has_the_volatility_trend_and_semivariance_worked_out_by_hand():
    row = last(candles(zigzag(301, 0.03, -0.01)))
    # half the returns are 0.03, half -0.01: each 0.02 from their mean 0.01
    assert row["volatility_24"] == pytest.approx(0.02 * np.sqrt(24 / 23))
    assert row["volatility_168"] == pytest.approx(0.02 * np.sqrt(168 / 167))
    assert row["volatility_ratio"] == pytest.approx(np.sqrt(24 / 23) / np.sqrt(168 / 167))
    # sum 36 * (0.03 - 0.01), sum of squares 36 * (0.0009 + 0.0001)
    assert row["trend"] == pytest.approx(0.72 / np.sqrt(0.036))
    assert row["downside_share_72"] == pytest.approx(0.1)
    assert row["efficiency_24"] == pytest.approx(0.02 / 0.04)


def test_bollinger_z_measures_the_last_step_after_a_flat_stretch():
    close = np.full(60, 100.0)
    close[-1] = 110.0
    # one of 20 values off by d: mean d/20, sample std d/sqrt(20), so z = (19/20) sqrt(20)
    assert last(candles(close))["bollinger_z"] == pytest.approx(19 / np.sqrt(20))


def test_drawdown_and_channel_use_the_wicks_of_168_candles():
    close = np.full(400, 100.0)
    high, low = close.copy(), close.copy()
    high[400 - 168] = 200.0
    low[399 - 5] = 50.0
    row = last(candles(close, high=high, low=low))
    assert row["drawdown"] == pytest.approx(0.5)
    assert row["channel_position"] == pytest.approx(1 / 3)

    high[400 - 168], high[400 - 169] = 100.0, 200.0
    assert last(candles(close, high=high, low=low))["drawdown"] == 0.0


def test_range_volatility_is_parkinsons():
    close = np.full(60, 100.0)
    row = last(candles(close, high=close * np.exp(0.01), low=close * np.exp(-0.01)))
    assert row["range_volatility_24"] == pytest.approx(0.02 / (2 * np.sqrt(np.log(2))))


def test_volume_features_by_hand():
    volume = np.full(200, 4.0)
    volume[-24:] = 16.0
    close = zigzag(200, 0.01, -0.01)
    volume[-1] = 40.0  # the last move of an even number of rows is up
    row = last(candles(close, volume=volume))

    roots = np.sqrt(volume[-168:])
    assert row["volume_z"] == pytest.approx((np.sqrt(40.0) - roots.mean()) / roots.std(ddof=1))
    recent, usual = (23 * 16 + 40) / 24, (144 * 4 + 23 * 16 + 40) / 168
    assert row["volume_trend"] == pytest.approx((recent - usual) / (recent + usual))
    # up candles: 11 x 16 and the 40; down candles: 12 x 16
    assert row["volume_balance_24"] == pytest.approx((11 * 16 + 40 - 12 * 16) / (23 * 16 + 40))
    # without wicks, a candle that rose closes at its high and one that fell at its low
    assert row["chaikin_flow_24"] == pytest.approx(row["volume_balance_24"])


def test_macd_histogram_is_that_of_two_recursive_averages_of_the_log_price():
    frame = market(WARM_UP + 300, seed=5)
    log = np.log(frame["close"])
    line = log.ewm(span=12, adjust=False).mean() - log.ewm(span=26, adjust=False).mean()
    histogram = line - line.ewm(span=9, adjust=False).mean()
    features = market_features(frame)

    expected = (histogram / features["volatility_24"])[WARM_UP:]
    np.testing.assert_allclose(features["macd_hist"][WARM_UP:], expected, atol=1e-6)


def test_volatility_percentile_is_one_at_the_wildest_and_zero_at_the_calmest():
    calm_to_wild = np.concatenate([zigzag(400, 0.001, -0.001), 101 * zigzag(25, 0.05, -0.05) / 100])
    features = market_features(candles(calm_to_wild))
    assert features["volatility_percentile"].iloc[-1] == 1.0
    assert (
        last(candles(np.concatenate([calm_to_wild, np.full(24, calm_to_wild[-1])])))["volatility_percentile"]
        == 0.0
    )


def test_a_market_that_never_moves_is_zero_and_the_middle_never_infinite():
    row = last(candles(np.full(WARM_UP, 7.0), volume=np.zeros(WARM_UP)))
    middle = {"rsi_14", "channel_position", "volatility_percentile", "downside_share_72"}
    assert {name: row[name] for name in NAMES} == pytest.approx(
        {name: 0.5 if name in middle else 1.0 if name == "volatility_ratio" else 0.0 for name in NAMES}
    )


@pytest.mark.parametrize("rows", [0, 1, 2, 30])
def test_few_rows_give_as_many_rows_and_the_index_of_the_candles(rows):
    frame = market(40, seed=1).iloc[:rows].set_index("date")
    features = market_features(frame)
    assert list(features.columns) == NAMES
    assert features.index.equals(frame.index)
    assert features["volatility_24"].notna().sum() == max(rows - 24, 0)


def test_every_feature_is_present_from_the_end_of_the_warm_up():
    features = market_features(market(WARM_UP + 5, seed=2))
    assert features.iloc[WARM_UP - 1 :].notna().all(axis=None)
    assert features["macd_hist"].iloc[: WARM_UP - 1].isna().all()


def test_a_missing_column_is_named_with_those_that_exist():
    with pytest.raises(DataError, match=r"candles lack close, volume; they have date, open, high, low"):
        market_features(market(5, seed=0).drop(columns=["close", "volume"]))


@pytest.mark.parametrize("bad", [np.nan, 0.0, -1.0, np.inf])
def test_a_candle_without_a_price_is_absent_until_it_leaves_each_window(bad):
    frame = market(WARM_UP + 400, seed=3)
    whole = market_features(frame)
    at = WARM_UP + 100
    frame.loc[at, ["open", "high", "low", "close"]] = bad
    features = market_features(frame)

    assert features.loc[at, "return_1":"volatility_percentile"].isna().all()
    assert features.loc[at, "volume_z"] == whole.loc[at, "volume_z"]
    assert features.loc[at + 1 : at + 24, "volatility_24"].isna().all()
    assert features.loc[at + 25, "volatility_24"] == whole.loc[at + 25, "volatility_24"]
    assert features.loc[at + 300 :].notna().all(axis=None)
    pd.testing.assert_frame_equal(features.loc[: at - 1], whole.loc[: at - 1])


def test_a_gap_that_freqtrade_filled_is_zero_volume_and_no_move():
    frame = market(WARM_UP + 100, seed=4)
    gap = slice(WARM_UP + 10, WARM_UP + 40)
    frame.loc[gap, ["open", "high", "low", "close"]] = frame.loc[gap.start - 1, "close"]
    frame.loc[gap, "volume"] = 0.0
    features = market_features(frame)

    assert np.isfinite(features.loc[gap]).all(axis=None)
    assert features.loc[gap.stop, ["volatility_24", "volume_balance_24", "chaikin_flow_24"]].eq(0).all()
    assert features.loc[gap.stop, "volume_trend"] == -1.0


@settings(max_examples=30)
@given(frame=markets())
def test_no_value_is_infinite_or_out_of_its_range(frame):
    features = market_features(frame)
    assert not np.isinf(features).any(axis=None)
    for name, (low, high) in BOUNDS.items():
        known = features[name].dropna()
        assert known.between(low - 1e-9, high + 1e-9).all(), name


@settings(max_examples=30)
@given(frame=markets(), data=st.data())
def test_cutting_the_future_off_changes_nothing(frame, data):
    cut = data.draw(st.integers(1, len(frame)))
    whole, head = market_features(frame), market_features(frame.iloc[:cut])
    pd.testing.assert_frame_equal(head, whole.iloc[:cut], check_exact=True)


@settings(max_examples=30)
@given(frame=markets(min_rows=WARM_UP, max_rows=900), data=st.data())
def test_more_history_than_the_warm_up_changes_nothing(frame, data):
    start = data.draw(st.integers(0, len(frame) - WARM_UP))
    assume(np.isfinite(frame["close"].iloc[start]))  # the warm-up counts from the first known candle
    whole, late = market_features(frame), market_features(frame.iloc[start:])
    known = late.notna()
    difference = (late - whole.iloc[start:])[known].abs()
    assert (difference.max().fillna(0.0) <= 1e-6).all(), difference.max()
    pd.testing.assert_frame_equal(late.iloc[WARM_UP - 1 :].isna(), whole.iloc[start + WARM_UP - 1 :].isna())


@settings(max_examples=15)
@given(frame=markets(), price=st.floats(1e-6, 1e6), volume=st.floats(1e-6, 1e6))
def test_the_units_of_price_and_volume_do_not_matter(frame, price, volume):
    other = frame.copy()
    other[["open", "high", "low", "close"]] *= price
    other["volume"] *= volume
    scaled, plain = market_features(other), market_features(frame)
    ranked = ["volatility_percentile"]  # rounding may tip a rank where two windows all but tie
    pd.testing.assert_frame_equal(
        scaled.drop(columns=ranked), plain.drop(columns=ranked), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("pair", ["BTC", "ETH", "BNB", "SOL", "XRP"])
def test_five_years_of_real_candles_look_the_same_from_a_thousand(pair, test_data):
    frame = pd.read_feather(test_data / f"candles/binance/{pair}_USDT-1h.feather")
    whole = market_features(frame)
    assert whole.iloc[WARM_UP - 1 :].notna().all(axis=None)
    for end in (5_000, 20_000, len(frame)):
        recent = market_features(frame.iloc[end - 1_000 : end])
        np.testing.assert_allclose(
            recent.iloc[WARM_UP - 1 :], whole.iloc[end - 1_000 + WARM_UP - 1 : end], atol=1e-6
        )


def test_forty_five_thousand_candles_take_under_150_ms():
    frame = market(45_000, seed=0)
    assert min(_seconds(lambda: market_features(frame)) for _ in range(5)) < 0.150


def _seconds(work) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start
