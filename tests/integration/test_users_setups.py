"""Set-ups that freqtrade's own docs teach, with our model: a plain FreqAI strategy, and live predictions."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import freqtrade
import pandas as pd
import pytest

from agent_market.sandbox.market import StandingMarket, SyntheticSource
from tests.helpers.workspace import Workspace, make_workspace, sandbox

SPAN = "20240301-20240307"
CONFIG: dict[str, Any] = {
    "timeframe": "1h",
    "exchange": {"pair_whitelist": ["BTC/USDT"]},
    "freqai": {
        "identifier": "plain",
        "train_period_days": 15,
        "backtest_period_days": 6,
        "feature_parameters": {
            "include_corr_pairlist": [],
            "include_timeframes": ["1h"],
            "indicator_periods_candles": [10],
            "include_shifted_candles": 0,
        },
        "model_training_parameters": {"n_estimators": 10, "n_jobs": 1},
    },
    "agent_market": {"decision": {"cadence_candles": 12}},
}
EXAMPLE = Path(freqtrade.__file__).parent / "templates" / "FreqaiExampleStrategy.py"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with sandbox(StandingMarket(SyntheticSource(seed=7))) as (endpoints, _):
        made = make_workspace(tmp_path_factory.mktemp("setups"), endpoints)
        made.config(CONFIG)
        example = EXAMPLE.read_text().replace("can_short = True", "can_short = False")  # spot, as it says
        (made.user_data / "strategies" / EXAMPLE.name).write_text(example)
        downloaded = made.download("20240125-20240315")
        assert downloaded.code == 0, downloaded.output
        yield made


def test_freqtrades_example_strategy_runs_with_the_committee(workspace: Workspace) -> None:
    run = workspace.backtest(SPAN, "--export", "none", "--strategy", "FreqaiExampleStrategy", timeout=1500)
    assert run.code == 0, run.output
    episodes = workspace.episodes()
    assert len(episodes) > 5
    quant = [view for episode in episodes for view in episode.views if view.agent == "quant"]
    assert quant
    assert not any(view.abstains for view in quant), "its depth may be 0: it speaks as loud as its skill"
    assert any(v.agent == "aggressive" and not v.abstains for e in episodes for v in e.views)


def test_predictions_of_a_live_run_are_backtested_under_the_users_own_name(workspace: Workspace) -> None:
    """What a backtest predicted, put where and as a live run leaves it: running one would take an hour."""
    run = workspace.backtest(SPAN, "--export", "none", timeout=1500)
    assert run.code == 0, run.output
    models = workspace.user_data / "models"
    made = models / workspace.manifest().identifier / "backtesting_predictions"
    predictions = pd.concat(map(pd.read_feather, sorted(made.glob("*.feather"))))
    shutil.rmtree(models)
    folder = models / "plain-a0b1c2d3e4f5"
    folder.mkdir(parents=True)
    history = {"BTC/USDT": predictions.rename(columns={"date": "date_pred"}).reset_index(drop=True)}
    (folder / "historic_predictions.pkl").write_bytes(cloudpickle.dumps(history))
    started = int(predictions["date"].min().timestamp())
    (folder / "global_metadata.json").write_text(f'{{"start_dry_live_date": {started}}}')
    chosen = ("--strategy", "AgentMarketStrategy", "--freqaimodel", "AgentEnsemble", "--export", "none")
    again = workspace.freqtrade("backtesting", *chosen, "--freqai-backtest-live-models", timeout=1500)
    assert again.code == 0, again.output
    assert "Backtesting using historic predictions (live models)" in again.text
    assert "the live run plain-a0b1c2d3e4f5 predicted" in again.text
