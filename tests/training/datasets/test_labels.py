"""Labels against values worked out by hand, and what they may look at."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from agent_market.candles import epoch_seconds
from agent_market.errors import ConfigError, DataError
from agent_market.training.datasets.labels import UNKNOWN, Label, LabelBuilder, LabelSettings, label_of

HOUR = 3600


def candles(
    close: list[float], high: list[float] | None = None, low: list[float] | None = None
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "date": pd.date_range("2024-01-01", periods=len(close), freq="h", tz="UTC"),
            "open": [close[0], *close[:-1]],
            "high": high or close,
            "low": low or close,
            "close": close,
        }
    )


def wandering(rows: int = 300, seed: int = 5) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(0.01 * random.normal(size=rows)))
    spread = np.exp(0.005 * np.abs(random.normal(size=(2, rows))))
    return candles(close.tolist(), (close * spread[0]).tolist(), (close / spread[1]).tolist())


def hours_after_midnight(label: Label) -> list[float]:
    start = pd.Timestamp("2024-01-01", tz="UTC").timestamp()
    return [math.inf if t == UNKNOWN else (t - start) / HOUR for t in label.known_at]


def test_a_return_is_known_at_the_close_of_the_last_candle_of_its_horizon() -> None:
    label = label_of(candles([100, 110, 99, 121]), LabelSettings(kind="return", horizon=2), HOUR)
    np.testing.assert_allclose(label.values[:2], [math.log(0.99), math.log(1.1)])
    assert np.isnan(label.values[2:]).all()
    assert hours_after_midnight(label) == [3, 4, math.inf, math.inf]


def test_up_needs_more_than_the_band() -> None:
    frame = candles([100, 101, 103, 103])
    assert label_of(frame, LabelSettings(kind="up", horizon=1), HOUR).values[:3].tolist() == [1, 1, 0]
    banded = label_of(frame, LabelSettings(kind="up", horizon=1, band=0.015), HOUR)
    assert banded.values[:3].tolist() == [0, 1, 0]


def test_a_scaled_return_is_in_units_of_what_was_to_be_expected() -> None:
    close = [100.0, 101.0, 100.0, 102.0, 104.0]
    label = label_of(candles(close), LabelSettings(kind="scaled", horizon=1, volatility_window=2), HOUR)
    steps = np.diff(np.log(close))
    expected = steps[2] / np.std(steps[:2], ddof=1)
    assert label.values[2] == pytest.approx(expected)
    assert np.isnan(label.values[:2]).all()


def test_the_barrier_touched_first_decides_and_says_when_it_is_known() -> None:
    # Volatility of the first three candles is s; barriers of row 2 lie s away.
    close = [100.0, 101.0, 100.0, 100.0, 100.0, 100.0]
    s = float(np.std(np.diff(np.log(close[:3])), ddof=1) * math.sqrt(2))
    up, down = 100 * math.exp(s) + 0.01, 100 * math.exp(-s) - 0.01
    settings = LabelSettings(kind="triple_barrier", horizon=2, volatility_window=2)
    cases = [
        ([100, 101, 100, up, 100, 100], [100, 101, 100, 100, down, 100], 1.0, 4),
        ([100, 101, 100, 100, up, 100], [100, 101, 100, down, 100, 100], -1.0, 4),
        ([100, 101, 100, 100, 100, 100], [100, 101, 100, 100, 100, 100], 0.0, 5),
        ([100, 101, 100, 100, up, 100], [100, 101, 100, 100, down, 100], -1.0, 5),
    ]
    for high, low, value, hour in cases:
        label = label_of(candles(close, high, low), settings, HOUR)
        assert label.values[2] == value
        assert hours_after_midnight(label)[2] == hour


def test_a_reward_is_from_the_next_open_to_the_one_after_it() -> None:
    frame = candles([100, 110, 99, 121, 130]).assign(open=[100, 102, 111, 100, 120])
    label = label_of(frame, LabelSettings(kind="reward"), HOUR)
    np.testing.assert_allclose(label.values[:3], [111 / 102 - 1, 100 / 111 - 1, 1.2 - 1])
    assert hours_after_midnight(label)[:3] == [2, 3, 4]
    assert np.isnan(label.values[3:]).all()


def test_a_relative_label_is_less_the_mean_of_the_pairs_that_have_it() -> None:
    frames = {"A": candles([100, 110, 121]), "B": candles([100, 100, 90])}
    builder = LabelBuilder((LabelSettings(kind="return", horizon=1, relative=True),), HOUR)
    built = builder.build(frames)
    (name,) = builder.names
    half = math.log(1.1) / 2
    assert built["A"][name].values[0] == pytest.approx(half)
    assert built["B"][name].values[0] == pytest.approx(-half)
    alone = builder.build({"A": frames["A"], "B": frames["B"].iloc[:1]})
    assert alone["A"][name].values[0] == pytest.approx(0.0)


@pytest.mark.parametrize("kind", ["return", "scaled", "up", "triple_barrier", "reward"])
@pytest.mark.parametrize("cut", [60, 137, 299])
def test_what_was_known_by_a_moment_does_not_change_with_what_comes_after(kind: str, cut: int) -> None:
    settings = LabelSettings(kind=kind, horizon=7)  # type: ignore[arg-type]
    frame = wandering()
    whole = label_of(frame, settings, HOUR)
    then = int(frame["date"].iloc[cut - 1].timestamp()) + HOUR
    cut_off = label_of(frame.iloc[:cut], settings, HOUR)
    # An open is seen as the candle opens, the moment at which the one before it closes.
    known = whole.known_at[:cut] <= (then if kind != "reward" else then - HOUR)
    assert known.sum() > cut - 40
    np.testing.assert_array_equal(cut_off.values[known], whole.values[:cut][known])
    np.testing.assert_array_equal(cut_off.known_at[known], whole.known_at[:cut][known])
    assert (cut_off.known_at[~np.isnan(cut_off.values)] <= then).all()
    decided = epoch_seconds(frame["date"]) + HOUR
    there = ~np.isnan(whole.values)
    assert (whole.known_at[there] > decided[there]).all()


def test_names_tell_labels_apart() -> None:
    assert LabelSettings().name == "scaled_12"
    assert LabelSettings(kind="triple_barrier", horizon=6, width=2).name == "triple_barrier_6_width=2"
    assert LabelSettings(kind="reward").name == "reward"
    assert LabelSettings(kind="return", relative=True).name == "return_12_relative"
    with pytest.raises(DataError, match="different names"):
        LabelBuilder((LabelSettings(), LabelSettings()), HOUR)


def test_bad_candles_and_labels_without_meaning_are_refused() -> None:
    with pytest.raises(DataError, match="no mean over pairs"):
        LabelBuilder((LabelSettings(kind="up", relative=True),), HOUR)
    builder = LabelBuilder((LabelSettings(),), HOUR)
    with pytest.raises(DataError, match="no candles of A"):
        builder.build({"A": candles([1.0]).iloc[:0]})
    with pytest.raises(DataError, match="row 1"):
        builder.build({"A": candles([1.0, 0.0, 1.0])})
    with pytest.raises(DataError, match="out of order"):
        builder.build({"A": candles([1.0, 2.0]).iloc[::-1]})
    assert ConfigError is not DataError
