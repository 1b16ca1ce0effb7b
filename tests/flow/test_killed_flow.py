"""kill -9 in every step of a flow on a tiny synthetic market: resumed, it ends with the same files."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from sqlalchemy import select

from agent_market.factors.mining.files import EXPRESSIONS_FILE, FEATURES_FILE
from agent_market.flow.archive import all_runs
from agent_market.flow.plan import RUNS
from agent_market.flow.steps.train import SHOWN_FILE
from agent_market.reports.feedback import FEEDBACK_FILE, SUMMARY_FILE
from agent_market.store.database import Database
from agent_market.store.schema import answers
from tests.helpers.flow_files import products

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

WAIT_S = 300
KILLED_IN = (
    "download",
    *(f"round-1/{step}" for step in ("expressions", "features", "train", "backtest")),
    *(f"round-1/{step}" for step in ("summary", "feedback", "report")),
    "round-2/backtest",
)


def write_flow(repository: Path, folder: Path) -> Path:
    """Two rounds of five days on three pairs with a small search for factors, without baselines."""
    demo = repository / "config" / "flow_demo.yaml"
    flow = yaml.safe_load(demo.read_text())
    for key in ("strategy_path", "freqaimodel_path"):
        flow[key] = str((demo.parent / flow[key]).resolve())
    flow["config"] = [str(demo.parent / name) for name in flow["config"]]
    flow |= {
        "userdir": "user_data",
        "timerange": "20240301-20240311",
        "pairs": ["BTC/USDT", "ETH/USDT", "SOL/USDT"],
        "strategies": ["AgentMarketQuantOnly"],
        "expressions": {"history_days": 60},
        "train": {
            "days": 60,
            "params": {"trees": 20},
            "tuning": {"method": "grid", "grid": {"leaves": [7, 15]}, "folds": 2},
        },
    }
    mining = {"candidates": 24, "batch": 6, "horizon": 6, "unproven": True}
    flow["freqtrade"]["agent_market"] = {"mining": mining}
    flow["freqtrade"]["freqai"] |= {"train_period_days": 20, "backtest_period_days": 5}
    folder.mkdir()
    file = folder / "flow.yaml"
    file.write_text(yaml.safe_dump(flow))
    return file


def requests(user_data: Path) -> list[str]:
    """Every request that a model was sent."""
    database = Database(f"sqlite:///{user_data / 'agent_market.sqlite'}")
    with database.begin() as connection:
        found = [row.decode() for row in connection.scalars(select(answers.c.request))]
    database.close()
    return found


def start(repository: Path, file: Path, *options: str) -> subprocess.Popen[str]:
    script = repository / "scripts" / "agent_flow.py"
    command = [sys.executable, str(script), "--config", str(file), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(flow: subprocess.Popen[str]) -> str:
    printed, _ = flow.communicate(timeout=WAIT_S)
    assert flow.returncode == 0, printed
    return printed


def kill_in(flow: subprocess.Popen[str], runs: Path, place: str) -> None:
    """kill -9 in a step: a search for factors after its first batch, one for parameters as it begins, a
    backtest between a training and the end of predictions, any other step as it begins."""
    until = time.monotonic() + WAIT_S
    while not is_inside(runs, place):
        assert flow.poll() is None, flow.communicate()[0]
        assert time.monotonic() < until
        time.sleep(0.001)
    flow.kill()
    flow.communicate()


def is_inside(runs: Path, place: str) -> bool:
    for folder in runs.glob(f"*/{place}.working"):
        if place.endswith("expressions"):
            return any(
                file.stat().st_size for file in folder.parent.glob(".*.home/agent_market/mining/*.jsonl")
            )
        if place.endswith("train"):
            return any((runs.parent / "training").glob("*/tuning.sqlite"))
        if place.endswith("backtest"):
            log = folder / "backtest.log"
            return log.is_file() and "Done training" in log.read_text(encoding="utf-8")
        return True
    return False


def test_a_flow_killed_in_every_step_and_resumed_ends_with_the_same_files(repository, tmp_path):
    file = write_flow(repository, tmp_path / "unbroken")
    runs = file.parent / "user_data" / RUNS
    finish(start(repository, file))
    (unbroken,) = all_runs(runs)
    whole = products(runs / unbroken.id)
    assert len(whole) == 1 + 2 * (1 + 1 + 2 + 1 + 2 + 1 + 1)

    # Round 2's search was told what round 1's came to, and what failed in it.
    told = json.loads((runs / unbroken.id / "round-1" / "expressions" / EXPRESSIONS_FILE).read_text())
    asked = requests(file.parent / "user_data")
    assert any(json.dumps(told["lessons"][0])[1:-1] in prompt for prompt in asked)
    assert told["failures"]
    assert any(told["failures"][0]["expression"] in prompt for prompt in asked)

    broken = write_flow(repository, tmp_path / "broken")
    broken_runs = broken.parent / "user_data" / RUNS
    options: tuple[str, ...] = ()
    for place in KILLED_IN:
        kill_in(start(repository, broken, *options), broken_runs, place)
        options = ("--resume",)
    printed = finish(start(repository, broken, *options))
    assert "done already in this run" in printed
    (run,) = all_runs(broken_runs)
    assert products(broken_runs / run.id) == whole
    assert run.digest == unbroken.digest
    for name in (FEEDBACK_FILE, SUMMARY_FILE, SHOWN_FILE, EXPRESSIONS_FILE, FEATURES_FILE):
        of_each = [(f.parent / "user_data" / "llm_feedback" / name).read_bytes() for f in (file, broken)]
        assert of_each[0] == of_each[1]
    assert not list(broken_runs.rglob("*.working"))
