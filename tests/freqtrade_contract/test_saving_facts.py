"""How FreqAI saves models and predictions, one test a fact: what `freqai/whole_files.py` stands on."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from freqtrade.freqai.data_drawer import TRAINDF, FreqaiDataDrawer
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen
from freqtrade.freqai.freqai_interface import IFreqaiModel

CONFIG: dict[str, Any] = {
    "timeframe": "1h",
    "exchange": {"name": "binance", "pair_whitelist": ["BTC/USDT"]},
    "freqai": {"feature_parameters": {"include_timeframes": ["1h"]}, "train_period_days": 10},
}
ROWS = pd.DataFrame({"date": pd.date_range("2024-01-01", periods=3, freq="h"), "%-a": [1.0, 2.0, 3.0]})


class Killed(BaseException):
    """Stands for the end of the process."""


def kitchen_in(folder: Path) -> FreqaiDataKitchen:
    kitchen = FreqaiDataKitchen(CONFIG, True, "BTC/USDT")
    kitchen.full_path = folder
    kitchen.live = False
    kitchen.data_path = folder / "sub-train-BTC_1000"
    kitchen.model_filename = "cb_btc_1000"
    kitchen.training_features_list, kitchen.label_list = ["%-a"], ["&-a"]
    kitchen.feature_pipeline, kitchen.label_pipeline = "features", "labels"  # type: ignore[assignment]
    kitchen.data_dictionary = {"train_features": ROWS, "train_dates": ROWS["date"]}
    return kitchen


def drawer_in(folder: Path) -> FreqaiDataDrawer:
    drawer = FreqaiDataDrawer(folder, {"freqai": CONFIG["freqai"], "exchange": CONFIG["exchange"]})
    drawer.pair_dict = {"BTC/USDT": {"model_filename": "cb_btc_1000", "trained_timestamp": 1000}}  # type: ignore[typeddict-item]
    return drawer


def half_a_feather(frame: pd.DataFrame, path: Path) -> None:
    path.write_bytes(b"ARROW1")
    raise Killed


def no_pickle(frame: Any, path: Path) -> None:
    raise Killed


def test_predictions_of_a_window_are_written_in_place_and_half_of_them_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kitchen = kitchen_in(tmp_path)
    assert not kitchen.check_if_backtest_prediction_is_valid(3)
    with monkeypatch.context() as patched:
        patched.setattr(pd.DataFrame, "to_feather", half_a_feather)
        with pytest.raises(Killed):
            kitchen.save_backtesting_prediction(ROWS)
    with pytest.raises((OSError, ValueError), match="file"):
        kitchen.check_if_backtest_prediction_is_valid(3)
    kitchen.save_backtesting_prediction(ROWS)
    assert kitchen.check_if_backtest_prediction_is_valid(3)


def test_the_training_rows_are_saved_after_all_that_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kitchen = kitchen_in(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(pd.DataFrame, "to_pickle", no_pickle)
        with pytest.raises(Killed):
            drawer_in(tmp_path).save_data("the model", "BTC/USDT", kitchen)
    assert not (kitchen.data_path / f"cb_btc_1000_{TRAINDF}.pkl").exists()
    again = kitchen_in(tmp_path)
    assert drawer_in(tmp_path).load_data("BTC/USDT", again) == "the model"
    assert (again.feature_pipeline, again.label_pipeline) == ("features", "labels")
    drawer_in(tmp_path).save_data("the model", "BTC/USDT", kitchen)
    assert (kitchen.data_path / f"cb_btc_1000_{TRAINDF}.pkl").exists()


def test_a_model_is_looked_for_by_its_first_file_alone(tmp_path: Path) -> None:
    kitchen = kitchen_in(tmp_path)
    kitchen.data_path.mkdir()
    model = SimpleNamespace(dd=drawer_in(tmp_path))
    assert not IFreqaiModel.model_exists(model, kitchen)
    (kitchen.data_path / "cb_btc_1000_model.joblib").write_bytes(b"")
    assert IFreqaiModel.model_exists(model, kitchen)
