"""`freqtrade backtesting --freqaimodel AgentReinforcementLearner`, on a synthetic market."""

from __future__ import annotations

import json
import subprocess
import time
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from agent_market.sandbox.market import LiveMarket, StandingMarket, SyntheticSource
from tests.helpers.workspace import Workspace, make_workspace, merged, sandbox, stop, unwrapped

pytestmark = pytest.mark.slow

MODEL = ("--freqaimodel", "AgentReinforcementLearner", "--strategy", "AgentMarketReinforcement")
SPAN = "20240301-20240331"
CONFIG: dict[str, Any] = {
    "exchange": {"pair_whitelist": ["BTC/USDT"]},
    "freqai": {
        "train_period_days": 30,
        "backtest_period_days": 15,
        "rl_config": {
            "train_cycles": 30,
            "model_type": "PPO",
            "policy_type": "MlpPolicy",
            "net_arch": [32, 32],
            "model_reward_parameters": {},
            "max_training_drawdown_pct": 0.5,
        },
    },
}
PPO = {"n_envs": 128, "batch_size": 512, "seed": 7}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with sandbox(StandingMarket(SyntheticSource(seed=7))) as (endpoints, _):
        made = make_workspace(tmp_path_factory.mktemp("reinforcement"), endpoints)
        configure(made, PPO)
        downloaded = made.download("20240101-20240405")
        assert downloaded.code == 0, downloaded.output
        yield made


def configure(workspace: Workspace, parameters: dict[str, Any], changes: Mapping[str, Any] = CONFIG) -> None:
    """The sandbox's config, with the parameters of the algorithm in place of those of LightGBM."""
    file = workspace.config(changes)
    config = json.loads(file.read_text())
    config["freqai"]["model_training_parameters"] = parameters
    file.write_text(json.dumps(config))


def predictions(workspace: Workspace) -> pd.DataFrame:
    """What FreqAI cached of the newest run, all windows."""
    files = sorted((workspace.user_data / "models").glob("*/backtesting_predictions/*.feather"))
    return pd.concat([pd.read_feather(file) for file in files], ignore_index=True)


def trades(workspace: Workspace) -> list[dict[str, Any]]:
    """The trades of the newest backtest."""
    folder = workspace.user_data / "backtest_results"
    newest = max(folder.glob("*.zip"), key=lambda file: file.stat().st_mtime)
    with zipfile.ZipFile(newest) as archive:
        name = next(n for n in archive.namelist() if n == f"{newest.stem}.json")
        result = json.loads(archive.read(name))
    found: list[dict[str, Any]] = result["strategy"]["AgentMarketReinforcement"]["trades"]
    return found


def test_the_policys_orders_become_trades_and_a_second_run_is_the_same(
    workspace: Workspace,
) -> None:
    configure(workspace, PPO)
    runs = []
    for _ in range(2):
        workspace.forget_models()
        run = workspace.backtest(SPAN, *MODEL, "--export", "trades")
        assert run.code == 0, run.output
        runs.append((predictions(workspace), trades(workspace)))
    (told, made), (told_again, made_again) = runs
    pd.testing.assert_frame_equal(told, told_again)
    assert [(t["open_date"], t["close_date"], t["profit_abs"]) for t in made] == [
        (t["open_date"], t["close_date"], t["profit_abs"]) for t in made_again
    ]
    assert len(told) == 30 * 24
    assert set(told["&-action"]) <= {0.0, 1.0, 2.0, 3.0, 4.0}
    entered = (told["policy_position"].diff().fillna(told["policy_position"]) > 0).sum()
    assert len(made) == pytest.approx(entered, abs=2)
    assert entered > 0


def test_a_training_that_fails_ends_the_run(workspace: Workspace) -> None:
    configure(workspace, {**PPO, "learning_rate": "fast"})
    workspace.forget_models()
    run = workspace.backtest(SPAN, *MODEL, "--export", "none")
    assert run.code != 0
    assert "training BTC/USDT failed" in run.text
    assert "The run stops" in run.text


def test_actions_that_no_strategy_reads_are_refused_at_the_start(workspace: Workspace) -> None:
    file = workspace.config(CONFIG)
    config = json.loads(file.read_text())
    config["freqai"]["rl_config"]["env"] = {"actions": "target"}
    file.write_text(json.dumps(config))
    run = workspace.backtest(SPAN, *MODEL, "--export", "none")
    assert run.code != 0
    assert "freqai.rl_config.env.actions = 'target'" in run.text


LIVE: dict[str, Any] = {
    "timeframe": "1m",
    "internals": {"process_throttle_secs": 1},
    "freqai": {
        "train_period_days": 1,
        "live_retrain_hours": 0.01,
        "feature_parameters": {"include_timeframes": ["1m"], "include_corr_pairlist": []},
        "rl_config": {"train_cycles": 1},
    },
}
BAD = ("raised exception", "Unable to analyze candle", "Traceback")
PATIENCE_S = 480


def trainings(log: Path) -> int:
    """How many were finished."""
    return unwrapped(log).count("Done training BTC/USDT")


@pytest.mark.timeout(700)
def test_a_dry_run_acts_on_the_newest_candle_and_retrains_at_least_twice(tmp_path: Path) -> None:
    log = tmp_path / "bot.log"
    with sandbox(LiveMarket(SyntheticSource(seed=11))) as (endpoints, _):
        workspace = make_workspace(tmp_path, endpoints)
        (workspace.user_data / "live_data").mkdir()
        configure(workspace, PPO, merged(CONFIG, LIVE))
        command = workspace.command(
            *("trade", "--dry-run", *MODEL),
            *("--datadir", str(workspace.user_data / "live_data")),
            *("--db-url", f"sqlite:///{workspace.user_data / 'trades.sqlite'}"),
        )
        with log.open("wb") as out:
            bot = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        try:
            deadline = time.monotonic() + PATIENCE_S
            while time.monotonic() < deadline and trainings(log) < 3:
                time.sleep(2)
                assert bot.poll() is None, log.read_text()[-4000:]
            time.sleep(65)  # one more candle, on the newest model
        finally:
            stop(bot)
    text = unwrapped(log)
    assert trainings(log) >= 3, text[-4000:]
    assert not [bad for bad in BAD if bad in text], text[-6000:]
    kept = pd.read_pickle(next((workspace.user_data / "models").glob("*/historic_predictions.pkl")))
    told = kept["BTC/USDT"]
    assert set(told["&-action"]) <= {0.0, 1.0, 2.0, 3.0, 4.0}
    assert set(told["policy_position"]) <= {-1.0, 0.0, 1.0}


SHORTING = """
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from AgentMarketReinforcement import AgentMarketReinforcement as _Base


class Shorting(_Base):
    can_short = True
"""


def test_on_futures_the_policy_may_short_and_is_trained_with_the_pairs_funding(tmp_path: Path) -> None:
    changes = {
        "trading_mode": "futures",
        "margin_mode": "isolated",
        "exchange": {"pair_whitelist": ["BTC/USDT:USDT"]},
        "freqai": {"rl_config": {"train_cycles": 5}},
    }
    with sandbox(StandingMarket(SyntheticSource(seed=7))) as (endpoints, _):
        workspace = make_workspace(tmp_path, endpoints)
        (workspace.user_data / "strategies" / "Shorting.py").write_text(SHORTING)
        configure(workspace, PPO, merged(CONFIG, changes))
        downloaded = workspace.download("20240101-20240405")
        assert downloaded.code == 0, downloaded.output
        model = ("--freqaimodel", "AgentReinforcementLearner", "--strategy", "Shorting")
        run = workspace.backtest("20240301-20240316", *model, "--export", "none")
    assert run.code == 0, run.output
    assert "no funding history" not in run.text
    assert set(predictions(workspace)["policy_position"]) <= {-1.0, 0.0, 1.0}
