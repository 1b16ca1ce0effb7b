"""Plain `freqtrade backtesting` whose quant is trained on memory features too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_market.features.features import FEATURES
from agent_market.memory.neighbour_features import NEIGHBOUR_FEATURES
from agent_market.sandbox.market import StandingMarket, SyntheticSource
from tests.helpers.workspace import Workspace, make_workspace, sandbox

SPAN = "20240301-20240331"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with sandbox(StandingMarket(SyntheticSource(seed=7))) as (endpoints, _):
        workspace = make_workspace(Path(tmp_path_factory.mktemp("features")), endpoints)
        workspace.config(
            {
                "exchange": {"pair_whitelist": ["BTC/USDT", "ETH/USDT"]},
                "freqai": {
                    "train_period_days": 30,
                    "backtest_period_days": 15,
                    "model_training_parameters": {"n_estimators": 50, "n_jobs": 1},
                },
                "agent_market": {"memory": {"features": True, "feature_neighbours": 16}},
            }
        )
        loaded = workspace.download("20240101-20240405")
        assert loaded.code == 0, loaded.output
        yield workspace


@pytest.mark.slow
def test_every_window_is_trained_and_asked_with_the_five_features(workspace: Workspace) -> None:
    run = workspace.backtest(SPAN, "--export", "none")
    assert run.code == 0, run.output
    trained = re.findall(r"Training model on (\d+) features", run.output)
    assert trained == [str(len(FEATURES) + len(NEIGHBOUR_FEATURES))] * 4
    quant = [v for e in workspace.episodes() for v in e.views if v.agent == "quant"]
    assert quant
    assert any(v.depth != 0.0 for v in quant)
