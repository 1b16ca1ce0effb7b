"""What the nets rely on in FreqAI's folders to go on from the window before, one test a fact."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from datasieve.pipeline import Pipeline
from freqtrade.freqai.data_drawer import FreqaiDataDrawer
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen
from freqtrade.freqai.freqai_interface import IFreqaiModel

from agent_market.decision.nets.bundle import NetBundle
from agent_market.freqai.nets import earlier_nets
from agent_market.pipeline.quant import QuantModel
from agent_market.records import Evidence

PAIR = "BTC/USDT:USDT"
EARLIER, NOW = (int(datetime(2024, 3, day, tzinfo=UTC).timestamp()) for day in (1, 9))


def config(user_data: Path) -> dict[str, Any]:
    (user_data / "config.json").write_text("{}")
    return {
        "config_files": [str(user_data / "config.json")],
        "user_data_dir": user_data,
        "timeframe": "1h",
        "timerange": "20240301-20240309",
        "exchange": {"name": "binance", "pair_whitelist": [PAIR]},
        "freqai": {"identifier": "contract", "feature_parameters": {"include_timeframes": ["1h"]}},
    }


def saved_window(user_data: Path, trained_s: int, nets: NetBundle) -> None:
    """What FreqAI's own code writes of one trained window."""
    kitchen = FreqaiDataKitchen(config(user_data), True, PAIR)
    drawer = FreqaiDataDrawer(kitchen.get_full_models_path(config(user_data)), config(user_data))
    kitchen.full_path = drawer.full_path
    kitchen.set_new_model_names(PAIR, trained_s)
    kitchen.feature_pipeline = kitchen.label_pipeline = Pipeline([])
    kitchen.data_dictionary = {"train_features": pd.DataFrame(), "train_dates": pd.DataFrame()}
    drawer.pair_dict[PAIR] = drawer.empty_pair_dict.copy()
    model = QuantModel(None, Pipeline([]), Pipeline([]), 1.0, Evidence(0, 0.5, 0.0, 1.0), nets=nets)
    drawer.save_data(model, PAIR, kitchen)


def test_the_nets_of_the_window_before_are_found_where_freqai_saves_them(tmp_path: Path) -> None:
    nets = NetBundle(("quant", "cash"), 3, 8, "target", 50, EARLIER, {"w": np.ones(2, dtype=np.float32)})
    saved_window(tmp_path, EARLIER, nets)
    kitchen = FreqaiDataKitchen(config(tmp_path), True, PAIR)
    kitchen.set_paths(PAIR, NOW)
    found = earlier_nets(kitchen.data_path)
    assert found is not None
    assert (found.trained_until_s, found.experts) == (EARLIER, nets.experts)
    kitchen.set_paths(PAIR, EARLIER)
    assert earlier_nets(kitchen.data_path) is None


def test_the_folder_of_a_window_is_set_before_its_training_live_and_in_a_backtest() -> None:
    """Only the folder: live, the name of the model's file comes after the training."""
    live = inspect.getsource(IFreqaiModel._start_scanning)
    first = inspect.getsource(IFreqaiModel.start_live)
    assert live.index("dk.set_paths(pair, new_trained_timerange.stopts)") < live.index(
        "self.extract_data_and_train_model("
    )
    assert 'dk.set_paths(metadata["pair"], new_trained_timerange.stopts)' in first
    training = inspect.getsource(IFreqaiModel.extract_data_and_train_model)
    assert training.index("self.train(") < training.index("dk.set_new_model_names(")
    backtest = inspect.getsource(IFreqaiModel.start_backtesting)
    assert backtest.index("dk.set_paths(pair, timestamp_model_id)") < backtest.index("self.train(")


def test_a_backtest_saves_a_windows_model_only_where_it_is_told_to(tmp_path: Path) -> None:
    source = inspect.getsource(IFreqaiModel.start_backtesting)
    assert "if self.save_backtest_models and self.model is not None:" in source
    assert source.index("self.train(") < source.index("self.dd.save_data(self.model, pair, dk)")


def test_old_folders_that_freqai_purges_live_leave_the_newest_two(tmp_path: Path) -> None:
    """The window before is still there when the next is trained: the purge comes after the training."""
    for stamp in (EARLIER - 86_400, EARLIER, NOW):
        (tmp_path / f"sub-train-BTC_{stamp}").mkdir()
    drawer = SimpleNamespace(freqai_info={"purge_old_models": True}, full_path=tmp_path)
    FreqaiDataDrawer.purge_old_models(drawer)
    assert sorted(f.name for f in tmp_path.iterdir()) == [
        f"sub-train-BTC_{EARLIER}",
        f"sub-train-BTC_{NOW}",
    ]
    training = inspect.getsource(IFreqaiModel.extract_data_and_train_model)
    assert training.index("self.train(") < training.index("self.dd.purge_old_models()")
