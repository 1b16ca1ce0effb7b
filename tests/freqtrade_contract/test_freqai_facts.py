"""What we rely on in freqtrade's FreqAI, one test a fact: an upgrade that breaks us fails here, by name."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from freqtrade.configuration import TimeRange
from freqtrade.data.history import load_pair_history
from freqtrade.data.history.datahandlers import get_datahandler
from freqtrade.enums import CandleType
from freqtrade.freqai.base_models.BaseRegressionModel import BaseRegressionModel
from freqtrade.freqai.data_drawer import FreqaiDataDrawer
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen
from freqtrade.freqai.freqai_interface import IFreqaiModel
from freqtrade.freqai.tensorboard.base_tensorboard import BaseTensorboardLogger
from freqtrade.freqai.utils import get_tb_logger
from pandas import DataFrame

from agent_market.freqai.patches.timezones import unify_timezones

PAIR = "BTC/USDT"


def freqai_config(user_data: Path) -> dict[str, Any]:
    (user_data / "config.json").write_text("{}")
    return {
        "config_files": [str(user_data / "config.json")],
        "user_data_dir": user_data,
        "datadir": user_data / "data",
        "timeframe": "1h",
        "stake_currency": "USDT",
        "timerange": "20240201-20240301",
        "exchange": {"name": "binance", "pair_whitelist": [PAIR]},
        "freqai": {
            "enabled": True,
            "identifier": "contract",
            "train_period_days": 30,
            "backtest_period_days": 10,
            "feature_parameters": {"include_timeframes": ["1h"], "indicator_periods_candles": [10]},
            "data_split_parameters": {"test_size": 0.1, "shuffle": False},
        },
    }


class EmptyModel(BaseRegressionModel):
    """The least that FreqAI accepts."""

    def fit(self, data_dictionary: dict, dk: FreqaiDataKitchen, **kwargs: Any) -> Any:
        return None


def hours(n: int, tz: Any = "UTC") -> pd.Series:
    return pd.Series(pd.date_range("2024-01-01", periods=n, freq="h", tz=tz))


def test_the_identifier_in_the_config_at_construction_names_the_cache_folder(tmp_path: Path) -> None:
    config = freqai_config(tmp_path)
    config["freqai"]["identifier"] = "derived-0123"
    model = EmptyModel(config)
    kitchen = FreqaiDataKitchen(config, False, PAIR)
    assert model.full_path == tmp_path / "models" / "derived-0123"
    assert kitchen.full_path == tmp_path / "models" / "derived-0123"


def test_a_failed_backtest_training_calls_the_hook_that_we_override_before_anything_is_cached() -> None:
    source = inspect.getsource(IFreqaiModel.start_backtesting)
    hook = source.index("self._append_null_backtesting_predictions(dk, dataframe_backtest)")
    assert source.index("except Exception as msg:") < hook
    assert list(inspect.signature(IFreqaiModel._append_null_backtesting_predictions).parameters) == [
        "self",
        "dk",
        "dataframe_backtest",
    ]
    # the one place outside the try block: what it raises ends the run
    assert "try:" not in source[source.index("self.model = None") : hook]


def test_extra_prediction_columns_reach_the_strategy_in_a_backtest(tmp_path: Path) -> None:
    kitchen = FreqaiDataKitchen(freqai_config(tmp_path), False, PAIR)
    kitchen.data["extra_returns_per_train"] = {}
    candles = DataFrame({"date": hours(4), "close": np.arange(4.0)})
    predictions = DataFrame({"&-forward_return": np.zeros(3), "weight_quant": [0.1, 0.2, 0.3]})
    window = candles.iloc[1:].copy()
    kitchen.append_predictions(kitchen.get_predictions_to_append(predictions, np.ones(3), window))
    kitchen.fill_predictions(candles)
    assert kitchen.return_dataframe["weight_quant"].tolist() == [0.0, 0.1, 0.2, 0.3]


def test_what_a_backtest_lacks_is_filled_with_zeros_not_nan(tmp_path: Path) -> None:
    kitchen = FreqaiDataKitchen(freqai_config(tmp_path), False, PAIR)
    kitchen.data["extra_returns_per_train"] = {}
    candles = DataFrame({"date": hours(2), "close": np.arange(2.0)})
    predictions = DataFrame({"&-forward_return": [0.5], "depth_quant": [np.nan]})
    kitchen.append_predictions(
        kitchen.get_predictions_to_append(predictions, np.ones(1), candles.iloc[1:].copy())
    )
    kitchen.fill_predictions(candles)
    assert kitchen.return_dataframe["depth_quant"].tolist() == [0.0, 0.0]


def live_drawer(tmp_path: Path) -> tuple[FreqaiDataDrawer, FreqaiDataKitchen, DataFrame, DataFrame]:
    config = freqai_config(tmp_path)
    drawer = FreqaiDataDrawer(tmp_path, config)
    kitchen = FreqaiDataKitchen(config, True, PAIR)
    kitchen.data.update(labels_mean={"y": 0.0}, labels_std={"y": 1.0}, extra_returns_per_train={})
    candles = DataFrame({"date": hours(3), "high": 1.0, "low": 1.0, "close": 1.0})
    first = DataFrame({"y": [0.0, 0.0], "weight_quant": [0.5, 0.5], "y_mean": 0.0, "y_std": 0.0})
    first = first.assign(weight_quant_mean=0.0, weight_quant_std=0.0, do_predict=0)
    first = first.assign(high_price=1.0, low_price=1.0, close_price=1.0, date_pred=candles["date"].iloc[:2])
    drawer.historic_predictions[PAIR] = first
    return drawer, kitchen, candles, DataFrame({"y": [0.1], "weight_quant": [0.7]})


def test_live_an_extra_column_without_mean_and_std_raises(tmp_path: Path) -> None:
    drawer, kitchen, candles, prediction = live_drawer(tmp_path)
    with pytest.raises(KeyError, match="weight_quant"):
        drawer.append_model_predictions(PAIR, prediction, np.ones(1), kitchen, candles)


def test_live_an_extra_column_with_mean_and_std_is_kept(tmp_path: Path) -> None:
    drawer, kitchen, candles, prediction = live_drawer(tmp_path)
    kitchen.data["labels_mean"]["weight_quant"] = kitchen.data["labels_std"]["weight_quant"] = 0.0
    drawer.append_model_predictions(PAIR, prediction, np.ones(1), kitchen, candles)
    assert drawer.model_return_values[PAIR]["weight_quant"].iloc[-1] == 0.7


def stored_history(tmp_path: Path) -> tuple[FreqaiDataDrawer, FreqaiDataKitchen]:
    config = freqai_config(tmp_path)
    config["datadir"].mkdir()
    candles = DataFrame({"date": hours(50, timezone.utc)})  # noqa: UP017 - live candles carry this class
    for name in ("open", "high", "low", "close", "volume"):
        candles[name] = 1.0
    get_datahandler(config["datadir"], "feather").ohlcv_store(PAIR, "1h", candles, CandleType.SPOT)
    drawer = FreqaiDataDrawer(tmp_path, config)
    kitchen = FreqaiDataKitchen(config, True, PAIR)
    kitchen.all_pairs = [PAIR]
    return drawer, kitchen


def live_candles() -> DataFrame:
    date = hours(3, timezone.utc) + pd.Timedelta("50h")  # noqa: UP017
    return DataFrame({"date": date, "close": 1.0})


def test_stored_and_live_candles_still_differ_in_timezone_class(tmp_path: Path) -> None:
    """When this fails freqtrade has mended its live retraining, and `freqai.patches.timezones` can go."""
    drawer, kitchen = stored_history(tmp_path)
    drawer.load_all_pair_histories(TimeRange(), kitchen)
    joined = pd.concat([drawer.historic_data[PAIR]["1h"], live_candles()], ignore_index=True)
    assert joined["date"].dtype == object


def test_our_mend_keeps_the_date_column_a_date(tmp_path: Path) -> None:
    drawer, kitchen = stored_history(tmp_path)
    unify_timezones(drawer)
    drawer.load_all_pair_histories(TimeRange(), kitchen)
    joined = pd.concat([drawer.historic_data[PAIR]["1h"], live_candles()], ignore_index=True)
    assert joined["date"].dt.hour.iloc[-1] == 4


def test_the_drawer_is_asked_for_histories_by_the_name_we_wrap() -> None:
    assert "self.dd.load_all_pair_histories(" in inspect.getsource(IFreqaiModel.start_live)
    assert "history_data = self.historic_data" in inspect.getsource(FreqaiDataDrawer.load_all_pair_histories)


def test_live_predicts_the_whole_frame_first_and_then_only_the_newest_row() -> None:
    source = inspect.getsource(IFreqaiModel.build_strategy_return_arrays)
    assert "self.predict(dataframe, dk)" in source
    assert "self.predict(dataframe.iloc[-self.CONV_WIDTH :], dk, first=False)" in source


def test_features_are_called_with_one_row_when_predictions_are_cached() -> None:
    assert "prediction_dataframe=dataframe.tail(1)" in inspect.getsource(IFreqaiModel.start_backtesting)


def test_a_label_is_what_holds_an_ampersand_and_a_feature_what_holds_a_percent_sign(tmp_path: Path) -> None:
    kitchen = FreqaiDataKitchen(freqai_config(tmp_path), False, PAIR)
    frame = DataFrame(columns=["date", "%-rsi_14", "view-turbulence", "context-vix", "&-forward_return"])
    kitchen.find_features(frame)
    kitchen.find_labels(frame)
    assert kitchen.training_features_list == ["%-rsi_14"]
    assert kitchen.label_list == ["&-forward_return"]


def test_a_feather_history_comes_back_in_utc(tmp_path: Path) -> None:
    stored_history(tmp_path)
    frame = load_pair_history(PAIR, "1h", tmp_path / "data", candle_type=CandleType.SPOT)
    assert frame["date"].iloc[0] == datetime(2024, 1, 1, tzinfo=UTC)


def test_training_any_model_imports_xgboost_so_every_install_needs_it() -> None:
    assert "freqtrade.freqai.tensorboard.base_tensorboard" in inspect.getsource(get_tb_logger)
    assert "from xgboost.callback import" in Path(inspect.getfile(BaseTensorboardLogger)).read_text()


def test_the_drawer_holds_each_pairs_own_history_by_timeframe() -> None:
    """`freqai.factor_features.peer_candles` reads it: live training reaches further back than `dp`."""
    source = inspect.getsource(FreqaiDataDrawer)
    assert "self.historic_data: dict[str, dict[str, DataFrame]]" in source
    assert "self.dd = FreqaiDataDrawer(" in inspect.getsource(IFreqaiModel)
