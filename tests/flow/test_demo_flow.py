"""The loop for real, on the sandbox: freqtrade downloads, trains, backtests; our model decides."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from sqlalchemy import select

from agent_market.reports.feedback import FEEDBACK_FILE, SUMMARY_FILE
from agent_market.store.database import Database
from agent_market.store.schema import answers

pytestmark = pytest.mark.slow

PLANTED = {
    name: f"planted-{name}-0123456789"
    for name in (
        "key",
        "secret",
        "token",
        "password",
        "jwt-that-is-long-enough",
        "hook",
        "llm",
        "address",
        "fallback",
    )
}
ENVIRONMENT = {
    "FREQTRADE__EXCHANGE__KEY": PLANTED["key"],
    "FREQTRADE__TELEGRAM__TOKEN": PLANTED["token"],
    "FREQTRADE__API_SERVER__PASSWORD": PLANTED["password"],
    "FREQTRADE__API_SERVER__JWT_SECRET_KEY": PLANTED["jwt-that-is-long-enough"],
    "AGENT_MARKET_LLM_API_KEY": PLANTED["llm"],
}
FALLBACK = f"http://me:{PLANTED['address']}@127.0.0.1:9/v1?api_key={PLANTED['fallback']}"
IN_A_FILE = {
    "exchange": {"secret": PLANTED["secret"]},
    "webhook": {"enabled": True, "url": f"http://127.0.0.1:9/{PLANTED['hook']}"},
    "agent_market": {"llm": {"fallbacks": [{"base_url": FALLBACK, "model": "heuristic"}]}},
}
"""What a careless trader writes into a config file instead."""


def write_demo(repository: Path, folder: Path) -> Path:
    """`config/flow_demo.yaml`, shortened, with a user_data directory of its own."""
    demo = repository / "config" / "flow_demo.yaml"
    flow = yaml.safe_load(demo.read_text())
    for key in ("strategy_path", "freqaimodel_path"):
        flow[key] = str((demo.parent / flow[key]).resolve())
    flow["config"] = [str(demo.parent / name) for name in flow["config"]]
    flow |= {"userdir": "user_data", "timerange": "20240301-20240410", "pairs": ["BTC/USDT", "ETH/USDT"]}
    flow["freqtrade"]["freqai"] |= {"train_period_days": 40, "backtest_period_days": 20}
    secret = folder / "secret.json"
    secret.write_text(json.dumps(IN_A_FILE))
    flow["config"].append(str(secret))
    file = folder / "flow.yaml"
    file.write_text(yaml.safe_dump(flow))
    return file


def run_flow(repository: Path, file: Path) -> str:
    script = repository / "scripts" / "agent_flow.py"
    done = subprocess.run(
        [sys.executable, str(script), "--config", str(file)],
        capture_output=True,
        text=True,
        timeout=600,
        env=os.environ | ENVIRONMENT,
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


def left_in(folder: Path) -> dict[str, list[str]]:
    """Planted secrets that stand in a file below `folder`, packed or not, by file."""
    found = {}
    for file in (f for f in folder.rglob("*") if f.is_file()):
        texts = [file.read_bytes()]
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as packed:
                texts += [packed.read(name) for name in packed.namelist()]
        elif file.suffix in (".pkl", ".joblib"):
            with suppress(zlib.error):
                texts.append(zlib.decompress(texts[0]))
        held = [name for name, secret in PLANTED.items() if any(secret.encode() in text for text in texts)]
        if held:
            found[str(file.relative_to(folder))] = held
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
    again = run_flow(repository, file)
    assert (decisions_digest(user_data), feedback.read_bytes(), len(requests(user_data))) == before

    # Secrets of the environment and of a config file: in no store, result, log, report or archived run.
    assert not [name for name, secret in PLANTED.items() if secret in printed + again]
    assert left_in(user_data) == {}
    left = json.loads((tmp_path / "secret.json").read_text())["exchange"]["secret"]
    assert left == PLANTED["secret"], "the trader's own file stays as it is"
    (user_data / "planted.zip").write_bytes(zipped("config.json", PLANTED["llm"]))
    assert left_in(user_data) == {"planted.zip": ["llm"]}, "what looks for them finds them"


def zipped(name: str, text: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(name, text)
    return packed.getvalue()
