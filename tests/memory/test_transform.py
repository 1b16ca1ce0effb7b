"""Memory as features: the arithmetic by hand, and no row that sees a target before it was known."""

from __future__ import annotations

import cloudpickle
import numpy as np
import pandas as pd
import pytest
from datasieve.pipeline import Pipeline
from datasieve.transforms import SKLearnWrapper, VarianceThreshold
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import MinMaxScaler

from agent_market.config import AgentMarketSettings, MemorySettings
from agent_market.errors import DataError
from agent_market.freqai.features import add_trained_features
from agent_market.freqai.memory_features import add_candle_number, with_memory
from agent_market.memory.neighbour_features import (
    CANDLE,
    NEIGHBOUR_FEATURES,
    NeighbourFeatures,
    effective_sample,
)

HORIZON, K, ROWS = 4, 3, 120
MEAN, WIN_RATE, DISPERSION, DISTANCE, SAMPLE = NEIGHBOUR_FEATURES


def candles(seed: int, count: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, count)))
    return pd.DataFrame(
        {
            "date": pd.date_range("2024-01-01", periods=count, freq="h", tz="UTC"),
            "open": close,
            "high": close * 1.002,
            "low": close * 0.998,
            "close": close,
            "volume": rng.uniform(1.0, 2.0, count),
        }
    )


def samples(seed: int = 0, count: int = ROWS) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows as FreqAI hands them to its pipeline, and their targets."""
    frame = add_candle_number(add_trained_features(candles(seed, count + 450)), 3600).iloc[450:]
    x = frame[[c for c in frame.columns if c.startswith("%-")]].reset_index(drop=True)
    assert x.notna().all().all()
    return x, pd.DataFrame({"target": np.random.default_rng(seed + 1).normal(size=count)})


def pipeline(horizon: int = HORIZON, k: int = K) -> Pipeline:
    return Pipeline([("memory", NeighbourFeatures(horizon, k))])


def described(x: pd.DataFrame, y: pd.DataFrame) -> pd.DataFrame:
    return pipeline().fit_transform(x, y)[0]


def test_the_candle_number_makes_way_for_the_five_features() -> None:
    x, y = samples()
    out, labels, _ = pipeline().fit_transform(x, y, np.ones(len(x)))
    assert list(out.columns) == [*(c for c in x.columns if c != CANDLE), *NEIGHBOUR_FEATURES]
    pd.testing.assert_frame_equal(labels, y)
    pd.testing.assert_frame_equal(out[x.columns.drop(CANDLE)], x.drop(columns=CANDLE))


def test_a_row_is_described_by_the_targets_of_the_rows_most_like_it() -> None:
    x, y = samples()
    y["target"] = np.arange(len(y), dtype=float) - 50.0
    # Rows 10, 40 and 70 are made the same moment of the market as row 100, at other times.
    for row in (10, 40, 70):
        x.loc[row, x.columns.drop(CANDLE)] = x.loc[100, x.columns.drop(CANDLE)]
    got = described(x, y).loc[100]
    # Targets -40, -10, 20: mean -10, one of three above 0, sample deviation 30; 30 candles apart.
    assert got[MEAN] == pytest.approx(-10.0)
    assert got[WIN_RATE] == pytest.approx(1 / 3)
    assert got[DISPERSION] == pytest.approx(30.0)
    assert got[DISTANCE] == 0.0
    assert got[SAMPLE] == 3.0


def test_rows_with_too_little_behind_them_say_that_nothing_is_known() -> None:
    x, y = samples()
    out = described(x, y)[list(NEIGHBOUR_FEATURES)]
    # Row 6 is the first that three targets were known for: those of rows 0, 1 and 2, four candles later.
    assert (out.iloc[:6] == [0.0, 0.5, 1.0, 2.0, 0.0]).all().all()
    assert (out[SAMPLE].iloc[6:] >= 1.0).all()
    assert (out[DISTANCE] <= 2.0).all()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1_000), row=st.integers(0, ROWS - 1))
def test_no_row_sees_a_target_that_was_not_known_by_then(seed: int, row: int) -> None:
    x, y = samples(seed % 5)
    before = described(x, y)
    later = y.copy()
    # Known by row i: the targets of rows up to i - horizon.
    unknown = slice(row - HORIZON + 1, None) if row >= HORIZON else slice(0, None)
    later.iloc[unknown] = np.random.default_rng(seed).normal(size=later.iloc[unknown].shape) * 100.0
    after = described(x, later)
    pd.testing.assert_frame_equal(after.iloc[: row + 1], before.iloc[: row + 1])


def test_what_is_known_does_change_a_row() -> None:
    x, y = samples()
    changed = y.copy()
    changed.iloc[: ROWS - HORIZON] += 5.0
    assert described(x, changed)[MEAN].iloc[-1] == pytest.approx(described(x, y)[MEAN].iloc[-1] + 5.0)


def test_the_last_rows_of_the_past_change_nothing_in_later_rows_states() -> None:
    x, y = samples()
    whole = described(x, y)
    cut = described(x.iloc[:90], y.iloc[:90])
    pd.testing.assert_frame_equal(cut, whole.iloc[:90])


def test_a_prediction_is_the_same_row_by_row_in_one_batch_and_after_saving() -> None:
    x, y = samples()
    fitted = pipeline()
    fitted.fit_transform(x.iloc[:90], y.iloc[:90])
    batch, _, _ = fitted.transform(x.iloc[90:])
    loaded = cloudpickle.loads(cloudpickle.dumps(fitted))
    single = [loaded.transform(x.iloc[i : i + 1], outlier_check=True)[0] for i in range(90, ROWS)]
    pd.testing.assert_frame_equal(pd.concat(single, ignore_index=True), batch)


def test_a_prediction_right_after_training_waits_for_the_last_targets() -> None:
    x, y = samples()
    fitted, changed = pipeline(), pipeline()
    fitted.fit_transform(x.iloc[:90], y.iloc[:90])
    other = y.iloc[:90].copy()
    other.iloc[87:] += 100.0
    changed.fit_transform(x.iloc[:90], other)
    ask = x.iloc[90:91]
    pd.testing.assert_frame_equal(fitted.transform(ask)[0], changed.transform(ask)[0])


def test_shuffled_rows_are_remembered_in_order_of_time() -> None:
    x, y = samples()
    order = np.random.default_rng(3).permutation(ROWS)
    mixed = described(x.iloc[order].reset_index(drop=True), y.iloc[order].reset_index(drop=True))
    straight = described(x, y).iloc[order].reset_index(drop=True)
    pd.testing.assert_frame_equal(mixed, straight)


def test_it_goes_in_front_of_the_steps_of_freqai() -> None:
    x, y = samples()
    steps = [
        ("const", VarianceThreshold(threshold=0)),
        ("scaler", SKLearnWrapper(MinMaxScaler(feature_range=(-1, 1)))),
    ]
    plain = Pipeline(steps)
    assert with_memory(plain, AgentMarketSettings()) is plain
    on = AgentMarketSettings(memory=MemorySettings(features=True, feature_neighbours=3))
    whole = with_memory(Pipeline(steps), on)
    out, _, _ = whole.fit_transform(x, y)
    assert set(NEIGHBOUR_FEATURES) <= set(out.columns)
    assert CANDLE not in out
    assert out.to_numpy().min() >= -1.0 - 1e-9
    assert Pipeline().steps == [], "the shared default of datasieve is untouched"


def test_missing_columns_or_targets_are_named() -> None:
    x, y = samples()
    with pytest.raises(DataError, match="memory_candle"):
        pipeline().fit_transform(x.drop(columns=CANDLE), y)
    with pytest.raises(DataError, match="return_24"):
        pipeline().fit_transform(x.drop(columns="%-return_24"), y)
    with pytest.raises(DataError, match="training target"):
        pipeline().fit(x)


def test_overlapping_outcomes_count_for_less() -> None:
    # Apart: 3. Together: 1. Half overlapping pair: 4 / (2 + 2 * 0.5) = 4/3.
    assert effective_sample(np.array([[0, 10, 20]]), 4).tolist() == [3.0]
    assert effective_sample(np.array([[7, 7, 7]]), 4).tolist() == [1.0]
    assert effective_sample(np.array([[0, 2]]), 4)[0] == pytest.approx(4 / 3)


def test_candle_numbers_count_gaps_and_fit_float32() -> None:
    dates = pd.to_datetime(["2024-01-01 00:00", "2024-01-01 00:01", "2024-01-01 00:05"], utc=True)
    for unit in ("ms", "ns"):
        frame = add_candle_number(pd.DataFrame({"date": dates.as_unit(unit)}), 60)
        assert frame[CANDLE].diff().tolist()[1:] == [1.0, 4.0]
        assert frame[CANDLE].astype(np.float32).diff().tolist()[1:] == [1.0, 4.0]
