"""`freqtrade backtesting` with each of our models in user_data/freqaimodels, on a tiny synthetic market."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from agent_market.sandbox.market import StandingMarket, SyntheticSource
from tests.helpers.workspace import Workspace, make_workspace, sandbox

pytestmark = pytest.mark.slow

SPAN = "20240301-20240309"
TREES = {"trees": 20, "learning_rate": 0.2}
NET = {"epochs": 2, "hidden": 8, "device": "cpu"}
MEMBERS = [{"model": "lightgbm", "params": TREES}, {"model": "catboost", "params": TREES}]
PARAMETERS: dict[str, dict[str, Any]] = {
    "AgentLightGBM": TREES,
    "AgentXGBoost": TREES,
    "Catboost": TREES,
    "AgentMLP": NET,
    "AgentLSTM": {**NET, "window": 4},
    "AgentTransformer": {**NET, "window": 4, "layers": 1},
    "AgentStacking": {"members": MEMBERS, "folds": 2},
    "AgentBlending": {"members": MEMBERS},
}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with sandbox(StandingMarket(SyntheticSource(seed=7))) as (endpoints, _):
        made = make_workspace(tmp_path_factory.mktemp("adapters"), endpoints)
        configure(made, {})
        downloaded = made.download("20240110-20240311")
        assert downloaded.code == 0, downloaded.output
        yield made


def configure(workspace: Workspace, parameters: dict[str, Any], **freqai: Any) -> None:
    file = workspace.config({"exchange": {"pair_whitelist": ["BTC/USDT"]}})
    config = json.loads(file.read_text())
    changes = {"train_period_days": 20, "backtest_period_days": 4, **freqai}
    config["freqai"].update(changes, model_training_parameters=parameters)
    file.write_text(json.dumps(config))


def backtest(
    workspace: Workspace, model: str, parameters: dict[str, Any], strategy: str, **freqai: Any
) -> pd.DataFrame:
    """What FreqAI kept of its predictions over both windows."""
    configure(workspace, parameters, **freqai)
    workspace.forget_models()
    run = workspace.backtest(SPAN, "--freqaimodel", model, "--strategy", strategy, "--export", "trades")
    assert run.code == 0, run.output[-4000:]
    assert "raised exception" not in run.text
    files = sorted((workspace.user_data / "models").glob("*/backtesting_predictions/*.feather"))
    assert len(files) == 2
    return pd.concat([pd.read_feather(file) for file in files], ignore_index=True)


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_regressor_trains_predicts_and_trades(workspace: Workspace, name: str) -> None:
    told = backtest(workspace, f"{name}Regressor", PARAMETERS[name], "AgentMarketQuantOnly")
    assert len(told) == 8 * 24
    assert (told["do_predict"] == 1).all()
    assert np.isfinite(told["&-forward_return"]).all()
    assert told["&-forward_return"].nunique() > 10
    assert told["quant_depth_now"].abs().max() <= 10.0
    assert told["quant_depth_now"].abs().max() > 1.0
    assert_traded(workspace, "AgentMarketQuantOnly", told)


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_classifier_trains_predicts_and_trades(workspace: Workspace, name: str) -> None:
    told = backtest(workspace, f"{name}Classifier", PARAMETERS[name], "AgentMarketDirection")
    assert len(told) == 8 * 24
    assert set(told["&-direction"]) <= {"up", "down"}
    np.testing.assert_allclose(told["up"] + told["down"], 1.0, atol=1e-6)
    np.testing.assert_allclose(told["quant_depth_now"], 10 * (told["up"] - told["down"]), atol=1e-6)
    assert_traded(workspace, "AgentMarketDirection", told)


def test_an_unknown_parameter_stops_freqtrade_at_the_start(workspace: Workspace) -> None:
    configure(workspace, {"n_estimators": 200})
    run = workspace.backtest(SPAN, "--freqaimodel", "CatboostRegressor", "--strategy", "AgentMarketQuantOnly")
    assert run.code != 0
    assert "unknown setting `catboost.n_estimators`" in run.text


def assert_traded(workspace: Workspace, strategy: str, told: pd.DataFrame) -> None:
    """Depths at the strategy's entry threshold became trades, and others did not."""
    folder = workspace.user_data / "backtest_results"
    newest = max(folder.glob("*.zip"), key=lambda file: file.stat().st_mtime)
    with zipfile.ZipFile(newest) as archive:
        result = json.loads(archive.read(f"{newest.stem}.json"))
    made = len(result["strategy"][strategy]["trades"])
    assert (made > 0) == bool((told["quant_depth_now"].iloc[:-2] >= 2.0).any())
