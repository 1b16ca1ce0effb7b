"""`agent-market webserver`: the routes in freqtrade's webserver mode, without a bot, as a real process."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from agent_market.bot.control import Control
from tests.helpers.api_bot import AUTH, TRADED, USER, api_section, fill_store, free_port
from tests.helpers.dry_bot import PAIRS


@pytest.mark.slow
def test_decisions_and_kill_switch_work_without_a_bot(tmp_path: Path) -> None:
    fill_store(tmp_path).close()
    port = free_port()
    exchange = {"name": "binance", "pair_whitelist": list(PAIRS)}
    config = {"exchange": exchange, "stake_currency": "USDT", "api_server": api_section(port)}
    (tmp_path / "config.json").write_text(json.dumps(config))
    command = ["webserver", "--config", str(tmp_path / "config.json"), "--userdir", str(tmp_path)]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", "from agent_market.cli import main; main()", *command],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", auth=AUTH) as client:
            wait_for(client, process, tmp_path / "log")
            status = client.get("/agents/status").json()
            assert (status["runmode"], status["attached"], status["breaker"]) == ("webserver", False, None)
            assert client.get(f"/agents/decisions/{TRADED}").json()["episode"]["decision"]["depth"] == 4.0
            assert client.get("/agents/risk").json()["budget"] is None
            assert client.get("/agents/alerts").json() == {"process": None, "alerts": []}
            assert client.post("/agents/control/pause", json={"reason": "night"}).json()["paused"]
            assert Control(tmp_path / "agent_market").state().paused_by == f"rest:{USER}"
            assert httpx.get(f"http://127.0.0.1:{port}/api/v1/agents/status").status_code == 401
    finally:
        process.terminate()
        process.wait(30)


def wait_for(client: httpx.Client, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if client.get("/ping").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    pytest.fail(log.read_text())
