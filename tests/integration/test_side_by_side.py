"""The three bots of docker-compose.yml, started together on the sandbox, each until it has decided."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from agent_market.agents.rule_agents import RULE_AGENTS
from agent_market.sandbox.market import LiveMarket, SyntheticSource
from tests.helpers.api_bot import free_port
from tests.helpers.compose import BOTS, GIVEN, Service, service
from tests.helpers.workspace import make_workspace, sandbox, stop, unwrapped

PATIENCE_S = 600
Bot = subprocess.Popen[bytes]
FREQUI = "http://127.0.0.1:8081"
AGENTS = {
    "aggressive": {"aggressive"},
    "conservative": {"conservative"},
    "ensemble": {"aggressive", "conservative", "quant", "memory", *RULE_AGENTS, "judge"},
}
QUICK = {
    "timeframe": "1m",
    "internals": {"process_throttle_secs": 1},
    "freqai": {
        "train_period_days": 1,
        "feature_parameters": {"include_timeframes": ["1m"]},
        "model_training_parameters": {"n_estimators": 20, "n_jobs": 1},
    },
    "agent_market": {"decision": {"cadence_candles": 1, "horizon_candles": 1, "gate_min_candles": 1}},
}


@contextmanager
def started(bot: Service, root: Path, overlay: Path, llm: str, port: int) -> Iterator[Bot]:
    """The service as a process; only the exchange, the model and the port are others."""
    environment = {
        **os.environ,
        **bot.environment,
        "FREQTRADE__API_SERVER__LISTEN_IP_ADDRESS": "127.0.0.1",
        "FREQTRADE__API_SERVER__LISTEN_PORT": str(port),
        "FREQTRADE__AGENT_MARKET__LLM__BASE_URL": llm,
        "FREQTRADE__AGENT_MARKET__LLM__MODEL": "heuristic",
    }
    command = [sys.executable, "-m", "freqtrade", *bot.arguments, "--config", str(overlay)]
    with (root / f"{bot.name}.out").open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=environment, cwd=root)
        try:
            yield process
        finally:
            stop(process)


def logged_in(port: int) -> httpx.Client | None:
    """FreqUI's way in; None while the bot is not up."""
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", headers={"Origin": FREQUI}, timeout=30)
    try:
        answer = client.post("/token/login", auth=(GIVEN["API_USERNAME"], GIVEN["API_PASSWORD"]))
    except httpx.TransportError:
        client.close()
        return None
    client.headers["Authorization"] = f"Bearer {answer.raise_for_status().json()['access_token']}"
    return client


def decided(client: httpx.Client) -> Mapping[str, Any] | None:
    """The newest decision that some agent spoke in, whole."""
    answer = client.get("/agents/decisions")
    if answer.status_code == httpx.codes.NOT_FOUND:  # no store yet
        return None
    for summary in answer.raise_for_status().json()["decisions"]:
        whole: dict[str, Any] = client.get(f"/agents/decisions/{summary['id']}").raise_for_status().json()
        if not all(view["depth"] is None for view in whole["episode"]["views"]):
            return whole
    return None


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_each_of_the_three_decides_with_its_own_agents_and_one_frequi_sees_them_all(
    repository: Path, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        market = LiveMarket(SyntheticSource(seed=11))
        endpoints, _ = stack.enter_context(sandbox(market))
        llm = endpoints["agent_market"]["llm"]["base_url"]
        make_workspace(tmp_path, endpoints)
        (tmp_path / "config").symlink_to(repository / "config")
        exchange = {**endpoints["exchange"], "pair_whitelist": ["BTC/USDT"]}
        overlay = tmp_path / "overlay.json"
        overlay.write_text(json.dumps({"exchange": exchange, **QUICK}))
        ports = {name: free_port() for name in BOTS}
        processes = {
            name: stack.enter_context(
                started(service(repository, name, tmp_path), tmp_path, overlay, llm, ports[name])
            )
            for name in BOTS
        }
        clients: dict[str, httpx.Client] = {}
        found: dict[str, Mapping[str, Any]] = {}
        deadline = time.monotonic() + PATIENCE_S
        while len(found) < len(BOTS) and time.monotonic() < deadline:
            time.sleep(2)
            for name in set(BOTS) - set(found):
                out = (tmp_path / f"{name}.out").read_text()
                assert processes[name].poll() is None, out[-4000:]
                if name not in clients and (client := logged_in(ports[name])):
                    clients[name] = client
                    stack.callback(client.close)
                whole = decided(clients[name]) if name in clients else None
                if whole:
                    found[name] = whole
        for name in BOTS:
            assert name in found, (tmp_path / f"{name}.out").read_text()[-4000:]
            assert {view["agent"] for view in found[name]["episode"]["views"]} == AGENTS[name]
            shown = clients[name].get("/show_config")
            assert shown.json()["bot_name"] == name
            assert shown.headers["access-control-allow-origin"] == FREQUI
            assert (tmp_path / "user_data" / "agent_market" / name / "store.sqlite").exists()
            assert (tmp_path / "user_data" / f"trades-{name}.sqlite").exists()
            assert GIVEN["API_PASSWORD"] not in unwrapped(tmp_path / f"{name}.out")
