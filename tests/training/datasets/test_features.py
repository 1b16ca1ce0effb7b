"""Datasets hold the strategy's own features, nothing later than their row, and the labels that belong
to them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from agent_market.candles import epoch_seconds
from agent_market.errors import ConfigError, DataError
from agent_market.features.features import FEATURES, market_features
from agent_market.training.datasets.dataset import Dataset, joined
from agent_market.training.datasets.features import FeatureDatasetBuilder
from agent_market.training.datasets.labels import LabelSettings
from agent_market.training.datasets.stored import StoredDataset, write_chunks
from agent_market.training.feature_builder import FeatureBuilder
from tests.helpers.market_files import (
    PAIRS,
    REPOSITORY,
    freqtrade_config,
    random_candles,
    write_candles,
    write_market,
)

LABELS = (LabelSettings(), LabelSettings(kind="up", horizon=6))
SCALED, UP = (one.name for one in LABELS)
SPAN = "20240120-20240215"

MANY = """
from freqtrade.strategy import IStrategy

class Many(IStrategy):
    timeframe = "1h"
    startup_candle_count = 120
    minimal_roi = {"0": 1.0}
    stoploss = -0.1
    def feature_engineering_expand_all(self, dataframe, period, metadata, **kwargs):
        dataframe["%-momentum-period"] = dataframe["close"] / dataframe["close"].shift(period) - 1
        return dataframe
    def feature_engineering_standard(self, dataframe, metadata, **kwargs):
        dataframe["%-hour"] = dataframe["date"].dt.hour
        return dataframe
    def populate_indicators(self, dataframe, metadata):
        return dataframe
    def populate_entry_trend(self, dataframe, metadata):
        return dataframe
    def populate_exit_trend(self, dataframe, metadata):
        return dataframe
"""


def kitchen(
    datadir: Path, span: str = SPAN, strategy: str = "AgentMarketStrategy", **features: Any
) -> FeatureBuilder:
    user_data = datadir.parent
    path = user_data / "strategies" if strategy == "Many" else REPOSITORY / "user_data" / "strategies"
    return FeatureBuilder(freqtrade_config(**features), strategy, user_data, datadir, span, path)


@pytest.fixture(scope="module")
def datadir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("user_data")
    (folder / "strategies").mkdir()
    (folder / "strategies" / "Many.py").write_text(MANY)
    return write_market(folder / "data", more=("4h",))


@pytest.fixture(scope="module")
def dataset(datadir: Path) -> Dataset:
    return FeatureDatasetBuilder(kitchen(datadir), LABELS).build()


def test_features_are_those_of_the_strategy_row_for_row(datadir: Path, dataset: Dataset) -> None:
    assert list(dataset.features.columns) == [f"%-{spec.name}" for spec in FEATURES]
    assert dataset.pairs == PAIRS
    candles = pd.read_feather(datadir / "ETH_USDT-1h.feather")
    own = market_features(candles)
    closes = epoch_seconds(candles["date"]) + 3600
    one = dataset.rows(dataset.pair == "ETH/USDT")
    at = np.searchsorted(closes, one.asof)
    np.testing.assert_allclose(one.features.to_numpy(), own.iloc[at].to_numpy(), rtol=1e-9, atol=1e-12)
    assert pd.to_datetime(one.asof[0], unit="s") == pd.Timestamp("2024-01-20 01:00")
    assert pd.to_datetime(one.asof[-1], unit="s") == pd.Timestamp("2024-02-15 00:00")
    assert (np.diff(dataset.asof) >= 0).all()


def test_no_feature_sees_a_later_candle_and_no_label_is_known_early(datadir: Path, tmp_path: Path) -> None:
    whole = FeatureDatasetBuilder(kitchen(datadir), LABELS).build()
    then = pd.Timestamp("2024-02-01", tz="UTC")
    cut = tmp_path / "data"
    cut.mkdir()
    for pair in PAIRS:
        frame = pd.read_feather(datadir / f"{pair.replace('/', '_')}-1h.feather")
        write_candles(cut, pair, "1h", frame[frame["date"] < then].reset_index(drop=True))
    shorter = FeatureDatasetBuilder(kitchen(cut), LABELS).build()
    same = whole.rows(whole.asof <= int(then.timestamp()))
    np.testing.assert_array_equal(shorter.asof, same.asof)
    pd.testing.assert_frame_equal(shorter.features, same.features)
    for label in (SCALED, UP):
        known = same.known_before(label, int(then.timestamp()))
        np.testing.assert_array_equal(shorter.labels[label][known], same.labels[label][known])
        assert shorter.labels[label][~known].isna().all()


def test_no_label_looks_beyond_the_end_of_the_time_range(dataset: Dataset) -> None:
    end = int(pd.Timestamp("2024-02-15", tz="UTC").timestamp())
    for label in (SCALED, UP):
        known = dataset.known_at[label][dataset.labels[label].notna()]
        assert known.max() == end


def test_other_timeframes_periods_shifts_and_pairs_come_through_freqai(datadir: Path) -> None:
    chosen = {
        "include_timeframes": ["1h", "4h"],
        "indicator_periods_candles": [10, 20],
        "include_shifted_candles": 1,
        "include_corr_pairlist": ["BTC/USDT"],
    }
    builder = FeatureDatasetBuilder(kitchen(datadir, "20240120-20240125", "Many", **chosen), LABELS)
    with pytest.raises(DataError, match="pairs have different features"):
        builder.build()
    alone = freqtrade_config(**{**chosen, "include_corr_pairlist": []})
    many = FeatureBuilder(
        alone, "Many", datadir.parent, datadir, "20240120-20240125", datadir.parent / "strategies"
    )
    columns = FeatureDatasetBuilder(many, LABELS).build().features.columns
    assert len(columns) == 2 * 2 * 2 + 1
    # A 4h candle that opens at 00:00 is known at 04:00: with the 1h candle that opens at 03:00.
    frame = many.candles("BTC/USDT")
    slow = [
        c for c in many.features("BTC/USDT", frame).columns if "4h" in c and "10" in c and "shift" not in c
    ]
    values = many.features("BTC/USDT", frame)[slow[0]].to_numpy()
    changes = frame["date"].dt.hour.to_numpy()[1:][np.diff(values) != 0]
    assert set(changes[100:]) == {3, 7, 11, 15, 19, 23}


def test_chunks_hold_the_same_rows_as_the_whole(datadir: Path, dataset: Dataset, tmp_path: Path) -> None:
    builder = FeatureDatasetBuilder(kitchen(datadir), LABELS)
    chunks = list(builder.chunks(5))
    assert len(chunks) == 12
    assert max(len(chunk) for chunk in chunks) == 5 * 24
    again = joined(chunks)
    np.testing.assert_array_equal(again.asof, dataset.asof)
    np.testing.assert_array_equal(again.pair, dataset.pair)
    np.testing.assert_allclose(again.features.to_numpy(), dataset.features.to_numpy(), rtol=1e-6, atol=1e-6)
    pd.testing.assert_frame_equal(again.labels, dataset.labels)
    stored = write_chunks(tmp_path / "stored", chunks)
    back = joined(list(stored.chunks()))
    pd.testing.assert_frame_equal(back.features, again.features)
    pd.testing.assert_frame_equal(back.known_at, again.known_at)
    with pytest.raises(DataError, match="holds a dataset"):
        write_chunks(tmp_path / "stored", chunks)
    with pytest.raises(DataError, match="no dataset in"):
        list(StoredDataset(tmp_path).chunks())
    assert len(stored.sampled(0.25, seed=1)) == pytest.approx(0.25 * len(dataset), abs=12)
    rows = list(stored.torch_rows(UP))
    assert len(rows) == len(dataset.labelled(UP))
    assert rows[0][0].shape == (len(FEATURES),)


def test_windows_are_those_of_a_freqai_backtest(datadir: Path) -> None:
    builder = FeatureDatasetBuilder(kitchen(datadir, "20240201-20240215"), LABELS)
    windows = list(builder.windows(SCALED))
    days = [
        pd.to_datetime([w.window.train_from, w.window.test_from, w.window.test_to], unit="s") for w in windows
    ]
    assert [[f"{day:%m%d}" for day in one] for one in days] == [
        ["0117", "0201", "0208"],
        ["0124", "0208", "0215"],
    ]
    for one in windows:
        assert one.train.known_at[SCALED].max() <= one.window.test_from
        assert one.train.asof.max() == one.window.test_from - 12 * 3600
        assert one.test.asof.min() == one.window.test_from + 3600
    # All rows but the warm-up of January and those whose outcome is not known yet.
    assert len(windows[1].train) == 2 * (15 * 24 - 12)


def test_a_split_is_purged_and_embargoed(dataset: Dataset) -> None:
    train, test = dataset.purged_split(SCALED, 0.25, embargo_s=3 * 3600)
    begin = test.asof.min()
    assert train.known_at[SCALED].max() == begin - 3 * 3600
    moments = len(np.unique(dataset.labelled(SCALED).asof))
    assert len(np.unique(test.asof)) == moments - int(np.ceil(moments * 0.75))
    with pytest.raises(DataError, match="between 0 and 1"):
        dataset.purged_split(SCALED, 1.0)
    with pytest.raises(DataError, match="use a longer span"):
        dataset.purged_split(SCALED, 0.5, embargo_s=10**9)


def test_every_form_holds_the_same_numbers(dataset: Dataset) -> None:
    features, values = dataset.to_numpy(UP)
    frame = dataset.to_pandas(UP)
    tensors = dataset.to_torch(UP)
    samples = dataset.samples(UP)
    np.testing.assert_array_equal(frame[dataset.features.columns].to_numpy(), features)
    np.testing.assert_allclose(tensors.tensors[0].numpy(), features.astype(np.float32))
    np.testing.assert_array_equal(samples.labels, values)
    assert samples.groups is not None
    assert np.array_equal(samples.groups == 1, frame["pair"] == "ETH/USDT")
    assert str(frame["asof"].dt.tz) == "UTC"
    with pytest.raises(DataError, match="no label 'other'"):
        dataset.to_numpy("other")


def test_samples_of_moments_do_not_overlap_and_draws_repeat(dataset: Dataset) -> None:
    apart = dataset.every(12, 3600)
    assert set(np.diff(np.unique(apart.asof))) == {12 * 3600}
    one, two = dataset.sampled(100, seed=3), dataset.sampled(100, seed=3)
    np.testing.assert_array_equal(one.asof, two.asof)
    assert len(one) == 100
    assert (np.diff(one.asof) >= 0).all()


def test_what_is_missing_is_named(tmp_path: Path, datadir: Path) -> None:
    with pytest.raises(DataError, match=r"no candles of BTC/USDT 1h"):
        FeatureDatasetBuilder(kitchen(tmp_path), LABELS)
    with pytest.raises(ConfigError, match="Nonsense"):
        kitchen(datadir, strategy="Nonsense")
    config = freqtrade_config()
    del config["freqai"]["feature_parameters"]
    with pytest.raises(ConfigError, match="feature_parameters"):
        FeatureBuilder(config, "AgentMarketStrategy", tmp_path, datadir, SPAN)
    short = tmp_path / "short"
    write_market(short, hours=30)
    with pytest.raises(DataError, match="no row"):
        FeatureDatasetBuilder(kitchen(short, "20240101-20240102"), LABELS).build()
    assert len(random_candles(3, "h", 1)) == 3
