"""Regime labels, the state vector, the view, and the page that describes the features."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_market.errors import DataError
from agent_market.features.features import FEATURES, WARM_UP, market_features
from agent_market.features.features_page import features_page
from agent_market.features.regime import REGIMES, regime
from agent_market.features.state import STATE_DIM, STATE_FEATURES, state_matrix
from agent_market.features.view import make_view
from agent_market.records import Headline
from tests.helpers.candle_makers import market, markets

ASOF = datetime(2024, 5, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("trend", "percentile", "label"),
    [
        (1.5, 0.2, "up-calm"),
        (1.5, 0.9, "up-wild"),
        (1.0, 0.0, "chop-calm"),
        (-1.0, 2 / 3, "chop-wild"),
        (-1.1, 0.6, "down-calm"),
        (-3.0, 1.0, "down-wild"),
        (np.nan, 0.5, "unknown"),
        (2.0, np.nan, "unknown"),
    ],
)
def test_the_regime_is_direction_and_calm(trend, percentile, label):
    assert regime({"trend": trend, "volatility_percentile": percentile}) == label
    assert label in REGIMES


def test_the_regime_is_unknown_when_an_input_is_absent():
    assert regime({}) == regime({"trend": 2.0}) == regime({"volatility_percentile": 0.5}) == "unknown"


def test_the_state_of_a_row_by_hand():
    row = {spec.name: 0.0 for spec in FEATURES} | {
        "volatility_24": 0.01,
        "return_4": 0.02,
        "trend": 2.0,
        "rsi_14": 0.75,
        "efficiency_24": -0.4,
        "volatility_ratio": np.e,
        "drawdown": 0.02 * np.sqrt(168),
    }
    state = dict(zip(STATE_FEATURES, state_matrix(pd.DataFrame([row]))[0], strict=True))
    assert state["return_1"] == 0.0
    assert state["return_4"] == pytest.approx(np.tanh(0.02 / (2 * 0.01 * 2)))
    assert state["trend"] == pytest.approx(np.tanh(1.0))
    assert state["rsi_14"] == pytest.approx(0.5)
    assert state["efficiency_24"] == pytest.approx(-0.4)
    assert state["volatility_ratio"] == pytest.approx(np.tanh(1.0))
    assert state["drawdown"] == pytest.approx(2 * np.tanh(1.0) - 1)


def test_a_row_that_lacks_any_input_has_no_state():
    features = market_features(market(WARM_UP + 20, seed=1))
    features.loc[WARM_UP + 3, "volume_z"] = np.nan
    state = state_matrix(features)
    assert state.shape == (WARM_UP + 20, STATE_DIM)
    assert state.dtype == np.float32
    assert np.isnan(state[: WARM_UP - 1]).all()
    assert np.isnan(state[WARM_UP + 3]).all()
    assert np.isfinite(np.delete(state, WARM_UP + 3, axis=0)[WARM_UP - 1 :]).all()


def test_a_feature_that_the_state_needs_is_named_when_it_is_missing():
    features = market_features(market(5, seed=1)).drop(columns=["trend", "volatility_24"])
    with pytest.raises(DataError, match="needs the features trend, volatility_24; got return_1"):
        state_matrix(features)


@settings(max_examples=25)
@given(frame=markets(min_rows=WARM_UP, max_rows=600), data=st.data())
def test_states_are_bounded_and_each_row_stands_for_itself(frame, data):
    features = market_features(frame)
    state = state_matrix(features)
    assert (np.abs(state[np.isfinite(state)]) <= 1.0).all()
    rows = data.draw(st.lists(st.integers(0, len(frame) - 1), max_size=10))
    np.testing.assert_array_equal(state_matrix(features.iloc[rows]), state[rows])


@settings(max_examples=25)
@given(frame=markets(min_rows=WARM_UP, max_rows=600), data=st.data())
def test_state_and_regime_do_not_change_when_the_future_is_cut_off(frame, data):
    cut = data.draw(st.integers(1, len(frame)))
    whole, head = market_features(frame), market_features(frame.iloc[:cut])
    np.testing.assert_array_equal(state_matrix(head), state_matrix(whole)[:cut])
    assert regime(head.iloc[-1].to_dict()) == regime(whole.iloc[cut - 1].to_dict())


def test_a_view_leaves_out_what_is_not_known():
    state = np.linspace(-1, 1, STATE_DIM, dtype=np.float32)
    features = {"trend": 1.5, "volatility_percentile": 0.2, "turbulence": np.nan, "return_1": np.inf}
    view = make_view("ETH/USDT", "1h", ASOF, features, {"vix": np.nan, "dxy": 101.0}, state)

    assert view.features == {"trend": 1.5, "volatility_percentile": 0.2}
    assert view.context == {"dxy": 101.0}
    assert view.regime == "up-calm"
    assert view.state == tuple(float(x) for x in state)
    assert all(type(x) is float for x in (*view.state, *view.features.values()))


def test_the_asof_of_a_view_is_utc():
    local = ASOF.astimezone(timezone(timedelta(hours=9)))
    view = make_view("ETH/USDT", "1h", local, {}, {}, np.zeros(STATE_DIM))
    assert view.asof == ASOF
    assert view.asof.tzinfo is UTC
    with pytest.raises(DataError, match="has no timezone"):
        make_view("ETH/USDT", "1h", ASOF.replace(tzinfo=None), {}, {}, np.zeros(STATE_DIM))


def test_a_moment_without_a_state_is_no_moment_to_decide_on():
    with pytest.raises(
        DataError, match=r"ETH/USDT at 2024-05-01T12:00:00\+00:00 has no state: trend is unknown"
    ):
        make_view("ETH/USDT", "1h", ASOF, {"trend": np.nan}, {}, np.full(STATE_DIM, np.nan))


def test_every_feature_has_one_name_a_group_and_a_description():
    names = [spec.name for spec in FEATURES]
    assert len(set(names)) == len(names)
    assert {spec.group for spec in FEATURES} == {"trend", "reversion", "volatility", "volume"}
    assert all(spec.meaning and spec.formula and spec.range for spec in FEATURES)
    assert set(STATE_FEATURES) <= set(names)


def test_the_page_of_features_is_that_of_the_code(repository):
    page = (repository / "docs/reference/features.md").read_text(encoding="utf-8")
    assert page == features_page(), (
        "out of date: run `agent-market docs features` and commit docs/reference/features.md"
    )


def test_a_headline_that_was_known_only_later_is_left_out() -> None:
    asof = datetime(2024, 1, 2, tzinfo=UTC)
    news = (Headline(asof, "now"), Headline(asof + timedelta(seconds=1), "later"))
    view = make_view("BTC/USDT", "1h", asof, {}, {}, np.zeros(STATE_DIM), headlines=news)
    assert [line.text for line in view.headlines] == ["now"]
