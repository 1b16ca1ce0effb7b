"""What datasets rely on in FreqAI beside a running bot, one test a fact."""

from __future__ import annotations

import inspect
from types import SimpleNamespace
from typing import Any

from freqtrade.data.dataprovider import DataProvider
from freqtrade.freqai.base_models.BaseClassifierModel import BaseClassifierModel
from freqtrade.freqai.base_models.BaseRegressionModel import BaseRegressionModel
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen
from freqtrade.freqai.freqai_interface import IFreqaiModel


def config() -> dict[str, Any]:
    return {
        "timeframe": "1h",
        "timerange": "20240201-20240215",
        "exchange": {"name": "binance", "pair_whitelist": ["BTC/USDT"]},
        "freqai": {"feature_parameters": {"include_timeframes": ["1h"]}, "train_period_days": 10},
    }


def test_a_kitchen_that_starts_as_live_makes_no_folder_and_can_cut_windows() -> None:
    kitchen = FreqaiDataKitchen(config(), True, "BTC/USDT")
    train, test = kitchen.split_timerange("20240122-20240215", 10, 7)
    assert [t.timerange_str for t in train] == ["20240122-20240201", "20240129-20240208"]
    assert [t.timerange_str for t in test] == ["20240201-20240208", "20240208-20240215"]


def test_only_a_live_kitchen_sets_targets_beside_features() -> None:
    source = inspect.getsource(FreqaiDataKitchen.use_strategy_to_populate_indicators)
    assert "if self.live:\n            dataframe = strategy.set_freqai_targets" in source


def test_the_pipeline_needs_nothing_of_a_model_but_its_freqai_section() -> None:
    pipeline = IFreqaiModel.define_data_pipeline(SimpleNamespace(freqai_info=config()["freqai"]), 1)
    assert [name for name, *_ in pipeline.steps] == ["const", "scaler"]


def test_a_data_provider_works_without_an_exchange_and_reads_a_whitelist() -> None:
    provider = DataProvider(config(), None, SimpleNamespace(whitelist=["BTC/USDT"]))
    assert provider.current_whitelist() == ["BTC/USDT"]


def test_predictions_are_reshaped_to_labels_only_where_one_candle_is_enough() -> None:
    for base in (BaseRegressionModel, BaseClassifierModel):
        assert "if self.CONV_WIDTH == 1:" in inspect.getsource(base.predict)
        assert "self.model.predict(dk.data_dictionary" in inspect.getsource(base.predict)
    assert "self.model.classes_" in inspect.getsource(BaseClassifierModel.predict)


def test_live_a_model_is_asked_about_its_window_of_candles_only() -> None:
    assert "dataframe.iloc[-self.CONV_WIDTH :]" in inspect.getsource(
        IFreqaiModel.build_strategy_return_arrays
    )
