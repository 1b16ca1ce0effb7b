"""Plain `freqtrade backtesting` with the two nets: trained per window, replayed, killed and continued."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from agent_market.freqai.nets import earlier_nets
from agent_market.records import Episode
from agent_market.sandbox.market import StandingMarket, SyntheticSource
from agent_market.store.database import Database, store_url
from agent_market.store.episodes import find_episode
from tests.helpers.workspace import Workspace, make_workspace, sandbox

pytest.importorskip("torch")
pytestmark = pytest.mark.slow

PAIR = "BTC/USDT"
SPAN = "20240301-20240325"
WINDOWS = 3
NETS = {"least_outcomes": 40, "level": 0.99, "epochs": 4, "hidden": 8, "device": "cpu"}


def config(scope: str, mode: str) -> dict[str, Any]:
    """Nets of few outcomes behind a gate that lets nearly everything through, so that they do decide."""
    return {
        "exchange": {"pair_whitelist": [PAIR]},
        "freqai": {
            "train_period_days": 30,
            "backtest_period_days": 8,
            "continual_learning": True,
            "model_training_parameters": {"n_estimators": 20, "n_jobs": 1},
        },
        "agent_market": {
            "llm": {"mode": mode},
            "memory": {"scope": scope},
            "decision": {
                "weighting": "two_stage",
                "cadence_candles": 3,
                "horizon_candles": 3,
                "nets": NETS,
            },
        },
    }


@dataclass(frozen=True, slots=True)
class Recorded:
    """A workspace in which one backtest has run, its decisions, and the columns it gave the strategy."""

    workspace: Workspace
    episodes: tuple[Episode, ...]
    columns: pd.DataFrame
    output: str


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    with sandbox(StandingMarket(SyntheticSource(seed=7))) as (endpoints, _):
        workspace = make_workspace(tmp_path_factory.mktemp("nets"), endpoints)
        workspace.config(config("recorded", "record"))
        downloaded = workspace.download("20240101-20240401")
        assert downloaded.code == 0, downloaded.output
        run = workspace.backtest(SPAN, "--export", "none")
        assert run.code == 0, run.output
        yield Recorded(workspace, workspace.episodes(), columns_of(workspace), run.text)


def columns_of(workspace: Workspace) -> pd.DataFrame:
    """What FreqAI kept of the newest run's predictions, in order of time."""
    folder = workspace.user_data / "models" / workspace.manifest().identifier / "backtesting_predictions"
    files = sorted(folder.glob("*_prediction.feather"))
    assert len(files) == WINDOWS
    return pd.concat([pd.read_feather(file) for file in files], ignore_index=True)


def told(episodes: Sequence[Episode]) -> list[Any]:
    """Everything in the episodes but the name of the run."""
    return [(e.view, e.recall, e.views, e.decision, e.verdict, e.outcome) for e in episodes]


def test_nets_are_trained_in_each_window_and_decide_where_the_gate_lets_them(recorded: Recorded) -> None:
    assert "known outcomes are too few to train nets on: the prior decides" in recorded.output
    assert "nets trained from the last window's nets on" in recorded.output
    learned = [e.decision for e in recorded.episodes if e.decision.nets]
    assert learned
    assert any(d.shift != 0.0 for d in learned)
    for decision in (e.decision for e in recorded.episodes):
        assert sum(decision.contributions.values()) + decision.shift == pytest.approx(decision.depth)
    assert recorded.episodes[0].decision.nets == ()
    assert any(v.agent == "cash" for v in recorded.episodes[0].views)


def test_the_columns_say_candle_by_candle_what_the_store_says(recorded: Recorded) -> None:
    columns = recorded.columns
    by_time = {int(e.view.asof.timestamp()): e.decision for e in recorded.episodes}
    held = columns[columns["decision_time"] > 0]
    assert len(held) > 500
    decisions = [by_time[int(t)] for t in held["decision_time"]]
    assert held["net_weights"].tolist() == [float("weight_net" in d.nets) for d in decisions]
    assert held["net_depth"].tolist() == [float("decision_net" in d.nets) for d in decisions]
    assert held["net_shift"].tolist() == pytest.approx([d.shift for d in decisions])
    parts = held[[name for name in held if name.startswith("contribution_")]].sum(axis=1)
    assert (parts + held["net_shift"]).tolist() == pytest.approx(held["fused_depth"].tolist())


def test_each_window_keeps_its_nets_in_the_file_that_the_next_goes_on_from(recorded: Recorded) -> None:
    folder = recorded.workspace.user_data / "models" / recorded.workspace.manifest().identifier
    windows = sorted(folder.glob("sub-train-BTC_*"))
    assert len(windows) == WINDOWS
    second = earlier_nets(windows[2])
    assert second is not None
    assert second.weight_state is not None
    assert second.outcomes >= NETS["least_outcomes"]


def test_a_second_run_in_replay_decides_the_same(recorded: Recorded) -> None:
    workspace = recorded.workspace
    workspace.forget_models()
    workspace.config(config("replayed", "replay"))
    again = workspace.backtest(SPAN, "--export", "none")
    assert again.code == 0, again.output
    assert told(workspace.episodes("replayed")) == told(recorded.episodes)
    pd.testing.assert_frame_equal(columns_of(workspace), recorded.columns)


def test_a_run_killed_while_it_trains_its_last_window_goes_on_to_the_same_decisions(
    recorded: Recorded,
) -> None:
    workspace = recorded.workspace
    workspace.forget_models()
    workspace.config(config("killed", "replay"))
    killed_after(workspace, "killed", recorded.episodes[100].id)
    assert 100 < len(workspace.episodes("killed")) < len(recorded.episodes)
    rest = workspace.backtest(SPAN, "--export", "none")
    assert rest.code == 0, rest.output
    assert told(workspace.episodes("killed")) == told(recorded.episodes)
    pd.testing.assert_frame_equal(columns_of(workspace), recorded.columns)


@pytest.mark.parametrize("struck", ["predictions", "model"])
def test_a_run_killed_as_freqai_saved_goes_on_to_the_same_decisions(recorded: Recorded, struck: str) -> None:
    workspace = recorded.workspace
    workspace.forget_models()
    workspace.config(config(f"struck {struck}", "replay"))
    first = workspace.backtest(SPAN, "--export", "none")
    assert first.code == 0, first.output
    leave_as_killed(workspace.user_data / "models" / workspace.manifest().identifier, struck)
    again = workspace.backtest(SPAN, "--export", "none")
    assert again.code == 0, again.output
    assert told(workspace.episodes(f"struck {struck}")) == told(recorded.episodes)
    pd.testing.assert_frame_equal(columns_of(workspace), recorded.columns)


def leave_as_killed(folder: Path, struck: str) -> None:
    """As the second window was saved: half of its model, or half of its predictions where we write them."""
    windows = sorted(folder.glob("sub-train-BTC_*"))
    predictions = sorted((folder / "backtesting_predictions").glob("*.feather"))
    for file in predictions[1:]:
        file.unlink()
    shutil.rmtree(windows[2])
    if struck == "predictions":
        predictions[1].with_name(f".{predictions[1].name}.1-1").write_bytes(b"ARROW1")
        return
    (model,) = windows[1].glob("*_model.joblib")
    half = model.read_bytes()[: model.stat().st_size // 2]
    shutil.rmtree(windows[1])
    windows[1].mkdir()
    model.write_bytes(half)


def killed_after(workspace: Workspace, scope: str, decision_id: str, wait_s: float = 300.0) -> None:
    """Start a backtest, and kill it soon after it has written a decision, with its window, to the store."""
    command = workspace.command(
        *("backtesting", "--strategy", "AgentMarketStrategy", "--freqaimodel", "AgentEnsemble"),
        *("--timerange", SPAN, "--cache", "none", "--export", "none"),
    )
    database = Database(store_url(workspace.manifest().store_url, workspace.user_data))
    process = subprocess.Popen(command, cwd=workspace.user_data.parent, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + wait_s
        while find_episode(database, scope, decision_id) is None:
            assert process.poll() is None, "the backtest ended before it could be killed"
            assert time.monotonic() < deadline, "the backtest did not come that far"
            time.sleep(0.002)
        time.sleep(0.1)  # the file of the window's predictions follows at once
    finally:
        process.kill()
        process.wait()
        database.close()
