"""`agent-market train` from candles to feedback, with freqtrade, on a synthetic market."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from agent_market.cli import app
from agent_market.store.database import Database, store_url
from agent_market.store.trials import trials_of
from agent_market.training.models.registry import load_model

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).resolve().parents[2]
FILE: dict[str, Any] = {
    "name": "tiny",
    "model": "catboost",
    "config": [str(REPOSITORY / "config" / "sandbox.json")],
    "userdir": "user_data",
    "timerange": "20240201-20240310",
    "test_share": 0.25,
    "pairs": ["BTC/USDT"],
    "params": {"trees": 20},
    "sandbox": {"seed": 7},
    "freqtrade": {"freqai": {"train_period_days": 15, "backtest_period_days": 5}},
    "tuning": {"method": "grid", "grid": {"depth": [2, 3]}, "folds": 2, "pruning": False},
    "scope": "flow",
    "round": 3,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One user_data for all: candles are downloaded once."""
    return tmp_path_factory.mktemp("training")


def train(folder: Path, **changes: Any) -> dict[str, Any]:
    file = folder / "training.yaml"
    file.write_text(yaml.safe_dump({**FILE, **changes}))
    done = CliRunner().invoke(app, ["train", str(file), "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    printed: dict[str, Any] = json.loads(done.stdout)
    return printed


def test_a_training_ends_in_a_backtest_and_feedback_and_repeats_to_the_byte(folder: Path) -> None:
    printed = train(folder)
    user_data = folder / "user_data"
    made = user_data / "agent_market" / "training" / "tiny"
    assert printed["trials"] == 2
    assert printed["params"]["depth"] in (2, 3)
    assert printed["offline"]["rows"] > 150
    assert printed["backtest"]["max_drawdown"] >= 0
    assert printed["backtest"]["buy_and_hold"] is not None
    summary = user_data / "llm_feedback" / "latest_training_summary.json"
    assert json.loads(summary.read_text()) == printed
    (line,) = (user_data / "llm_feedback" / "feedback.jsonl").read_text().splitlines()
    entry = json.loads(line)
    assert (entry["round"], entry["scope"], entry["known_at"]) == (3, "flow", printed["known_at"])
    assert len(entry["lines"]) == 3
    database = Database(store_url("sqlite:///{user_data}/agent_market.sqlite", user_data))
    assert len(trials_of(database, "training/catboost/scaled_12")) == 2
    database.close()
    assert load_model(made / "model.bin").width == printed["features"]
    before = {name: (made / name).read_bytes() for name in ("report.json", "model.bin")}
    assert train(folder) == printed
    assert {name: (made / name).read_bytes() for name in before} == before
    assert (user_data / "llm_feedback" / "feedback.jsonl").read_text().splitlines() == [line]


def test_a_classifier_and_a_policy_are_traded_too(folder: Path) -> None:
    plain = {"tuning": {"method": "none"}}
    told = train(folder, name="sides", label={"kind": "up"}, **plain)
    assert told["task"] == "classification"
    assert 0 <= told["offline"]["calibration_error"] <= 1
    assert told["backtest"] is not None
    small = {"steps": 2000, "minibatch": 256, "accounts": 16}
    played = train(folder, name="played", model="policy", label={"kind": "reward"}, params=small, **plain)
    assert played["offline"]["base_gain"] is not None
    assert played["backtest"] is not None


def test_freqtrades_failure_is_not_swallowed(folder: Path) -> None:
    file = folder / "training.yaml"
    broken = {**FILE, "tuning": {"method": "none"}, "freqtrade": {"freqai": {"train_period_days": 0}}}
    file.write_text(yaml.safe_dump(broken))
    done = CliRunner().invoke(app, ["train", str(file)])
    assert done.exit_code != 0
    assert "train_period_days" in f"{done.exception}{done.output}"
