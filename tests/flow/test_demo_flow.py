"""The loop for real, on the sandbox: freqtrade downloads, trains, backtests; our model decides."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from sqlalchemy import select

from agent_market.flow.feedback import FEEDBACK_FILE, SUMMARY_FILE
from agent_market.store.database import Database
from agent_market.store.schema import answers

pytestmark = pytest.mark.slow


def write_demo(repository: Path, folder: Path) -> Path:
    """`config/flow_demo.yaml`, shortened, with a user_data directory of its own."""
    demo = repository / "config" / "flow_demo.yaml"
    flow = yaml.safe_load(demo.read_text())
    for key in ("strategy_path", "freqaimodel_path"):
        flow[key] = str((demo.parent / flow[key]).resolve())
    flow["config"] = [str(demo.parent / name) for name in flow["config"]]
    flow |= {"userdir": "user_data", "timerange": "20240301-20240410", "pairs": ["BTC/USDT", "ETH/USDT"]}
    flow["freqtrade"]["freqai"] |= {"train_period_days": 40, "backtest_period_days": 20}
    file = folder / "flow.yaml"
    file.write_text(yaml.safe_dump(flow))
    return file


def run_flow(repository: Path, file: Path) -> str:
    script = repository / "scripts" / "agent_flow.py"
    done = subprocess.run(
        [sys.executable, str(script), "--config", str(file)], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def decisions_digest(user_data: Path) -> str:
    program = "from agent_market.cli import main; main()"
    command = [sys.executable, "-c", program, "decisions", "--userdir", str(user_data), "--digest"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def requests(user_data: Path) -> list[str]:
    database = Database(f"sqlite:///{user_data / 'agent_market.sqlite'}")
    with database.begin() as connection:
        found = [row.decode() for row in connection.scalars(select(answers.c.request))]
    database.close()
    return found


def test_the_second_round_is_told_what_the_first_taught_and_a_second_run_asks_nothing(repository, tmp_path):
    file = write_demo(repository, tmp_path)
    user_data = tmp_path / "user_data"
    printed = run_flow(repository, file)
    assert printed.count("STRATEGY SUMMARY") == printed.count("AGENTS AND BASELINES") == 2
    assert printed.index("AGENTS AND BASELINES") < printed.index("Report: ")
    assert "No language model took part" in printed
    assert "Synthetic market" in printed
    report = Path(next(line for line in printed.splitlines() if line.startswith("Report: "))[8:])
    assert report.read_text(encoding="utf-8").startswith("<!doctype html>")

    feedback = user_data / "llm_feedback" / FEEDBACK_FILE
    entries = [json.loads(line) for line in feedback.read_text().splitlines()]
    assert [entry["round"] for entry in entries] == [1, 2]
    assert json.loads((user_data / "llm_feedback" / SUMMARY_FILE).read_text())["round"] == 2
    asked = requests(user_data)
    told = [prompt for prompt in asked if entries[0]["lines"][0] in prompt]
    assert 0 < len(told) < len(asked)
    assert not [prompt for prompt in asked if entries[1]["lines"][0] in prompt]

    before = (decisions_digest(user_data), feedback.read_bytes(), len(asked))
    run_flow(repository, file)
    assert (decisions_digest(user_data), feedback.read_bytes(), len(requests(user_data))) == before
