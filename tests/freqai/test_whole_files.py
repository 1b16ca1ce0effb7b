"""What FreqAI saves is there as it was or as it is to be, wherever a kill strikes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cloudpickle
import pandas as pd
import pytest
from freqtrade.freqai.data_drawer import FreqaiDataDrawer
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen

from agent_market.freqai.patches.atomic_saves import SAVED, save_whole_files, save_whole_predictions

KITCHEN: dict[str, Any] = {
    "timeframe": "1h",
    "exchange": {"name": "binance", "pair_whitelist": ["BTC/USDT"]},
    "freqai": {"feature_parameters": {"include_timeframes": ["1h"]}, "train_period_days": 10},
}
CONFIG: dict[str, Any] = {"freqai": {"feature_parameters": {}}, "exchange": {"pair_whitelist": []}}


class Killed(BaseException):
    """Stands for the end of the process in the middle of a write."""


def drawer(folder: Path, mended: bool = True) -> FreqaiDataDrawer:
    made = FreqaiDataDrawer(folder, CONFIG)
    if mended:
        save_whole_files(made)
    return made


def half_written(value: Any, file: Any, *args: Any, **kwargs: Any) -> None:
    text = json.dumps({"half": "of it"}).encode() if "b" in file.mode else json.dumps({"half": "of it"})
    file.write(text[: len(text) // 2])
    raise Killed


@pytest.mark.parametrize("mended", [True, False])
def test_past_predictions_survive_a_kill_while_they_are_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mended: bool
) -> None:
    first = drawer(tmp_path, mended)
    first.historic_predictions = {}
    first.save_historic_predictions_to_disk()
    whole = first.historic_predictions_path.read_bytes()
    monkeypatch.setattr(cloudpickle, "dump", half_written)
    with pytest.raises(Killed):
        first.save_historic_predictions_to_disk()
    assert (first.historic_predictions_path.read_bytes() == whole) is mended, "the mend is needed"
    if mended:
        assert drawer(tmp_path).historic_predictions == {}
        assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_the_list_of_models_survives_a_kill_while_it_is_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = drawer(tmp_path)
    first.pair_dict = {"BTC/USDT": {"model_filename": "a", "trained_timestamp": 1}}
    first.save_drawer_to_disk()
    monkeypatch.setattr("freqtrade.freqai.data_drawer.rapidjson.dump", half_written)
    with pytest.raises(Killed):
        first.save_drawer_to_disk()
    monkeypatch.undo()
    assert drawer(tmp_path).pair_dict == first.pair_dict


def test_what_is_saved_is_what_freqtrade_saves(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    for name, mended in (("a", True), ("b", False)):
        one = drawer(tmp_path / name, mended)
        one.pair_dict = {"BTC/USDT": {"model_filename": "a", "trained_timestamp": 1}}
        one.save_drawer_to_disk()
        one.save_historic_predictions_to_disk()
        one.save_global_metadata_to_disk({"start_dry_live_date": 7})
    files = {p.name: p.read_bytes() for p in (tmp_path / "b").iterdir()}
    assert {p.name: p.read_bytes() for p in (tmp_path / "a").iterdir()} == files
    assert len(files) == len(SAVED) + 1, "predictions have a copy"


def test_predictions_of_a_window_survive_a_kill_while_they_are_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = pd.DataFrame({"date": pd.date_range("2024-01-01", periods=3, freq="h"), "&-a": [1.0, 2.0, 3.0]})
    kitchen = FreqaiDataKitchen(KITCHEN, True, "BTC/USDT")
    kitchen.full_path, kitchen.model_filename = tmp_path, "cb_btc_1000"
    save_whole_predictions(kitchen)
    assert not kitchen.check_if_backtest_prediction_is_valid(3)

    def half_of_it(frame: pd.DataFrame, path: Path) -> None:
        path.write_bytes(b"ARROW1")
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(pd.DataFrame, "to_feather", half_of_it)
        with pytest.raises(Killed):
            kitchen.save_backtesting_prediction(rows)
    assert not kitchen.check_if_backtest_prediction_is_valid(3)
    kitchen.save_backtesting_prediction(rows)
    assert kitchen.check_if_backtest_prediction_is_valid(3)
    pd.testing.assert_frame_equal(kitchen.get_backtesting_prediction(), rows)
