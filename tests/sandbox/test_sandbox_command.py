"""`agent-market sandbox`."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

ASK = """
import json, sys, urllib.request
config = json.load(open(sys.argv[1]))
public = config["exchange"]["ccxt_config"]["urls"]["api"]["public"]
url = public + "/klines?symbol=BTCUSDT&interval=1d&limit=1000&startTime=0"
print(len(json.load(urllib.request.urlopen(url))))
models = config["agent_market"]["llm"]["base_url"] + "/models"
print(json.load(urllib.request.urlopen(models))["data"][0]["id"])
sys.exit(3)
"""


def sandbox(*arguments: str, entry: str = "from agent_market.cli import main; main()") -> list[str]:
    return [sys.executable, "-c", entry, "sandbox", "--exchange-port", "0", "--model-port", "0", *arguments]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(sandbox(*arguments), capture_output=True, text=True, timeout=60, check=False)


def test_a_command_runs_with_the_servers_up_and_gives_its_exit_code(tmp_path: Path) -> None:
    config = tmp_path / "endpoints.json"
    dates = ("--start", "2024-01-01", "--end", "20240111")
    done = run(*dates, "--write-config", str(config), "--", sys.executable, "-c", ASK, str(config))
    assert done.returncode == 3, done.stderr
    assert "11\nheuristic\n" in done.stdout  # ten days, and the one that has just begun
    assert "synthetic market, seed 7" in done.stdout
    assert "rules, no language model" in done.stdout


def test_it_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    config = tmp_path / "endpoints.json"
    command = sandbox("--live", "--pairs", "BTC/USDT, ADA/USDT", "--write-config", str(config))
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        assert server.stdout is not None
        try:
            lines = []
            for line in server.stdout:
                lines.append(line)
                if "Ctrl-C" in line:
                    break
            assert "BTC/USDT, ADA/USDT; 1m and up" in lines[0]
            base = json.loads(config.read_text())["exchange"]["ccxt_config"]["urls"]["api"]["public"]
            row = httpx.get(
                f"{base}/klines", params={"symbol": "ADAUSDT", "interval": "1m", "limit": 1}
            ).json()[0]
            served = httpx.get(f"{base}/time").json()["serverTime"]
            assert row[0] <= served <= row[6] + 60_000
        finally:
            server.send_signal(signal.SIGTERM)
        assert server.wait(10) == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--data", "nowhere"), "no candle files in nowhere"),
        (("--data", "nowhere", "--synthetic"), "choose one market"),
        (("--replay-from", "2024-01-01"), "--replay-from needs --data and --live"),
        (("--pairs", "BTCUSDT"), "BASE/QUOTE"),
        (("--start", "2024-01-01", "--end", "2023-01-01"), "asked for 2024-01-01"),
        (("--faults", "nowhere.yaml"), "nowhere.yaml"),
        (("--", "no-such-command"), "no-such-command"),
    ],
)
def test_what_cannot_be_served_is_one_line_on_stderr(arguments: tuple[str, ...], words: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_taken_port_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = run("--exchange-port", port)
    assert done.returncode == 2
    assert f"127.0.0.1:{port}" in done.stderr
