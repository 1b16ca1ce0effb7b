"""The WebSocket /api/v1/agents/ws of a real bot: who may listen, and what is heard."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from agent_market.store.episodes import write_episodes
from tests.helpers.api_bot import SECRETS, ApiBot, api_bot, wanted
from tests.helpers.episode_makers import an_episode


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiBot]:
    with api_bot(tmp_path_factory.mktemp("api")) as running:
        yield running


def listener(api: ApiBot, query: str) -> ClientConnection:
    return connect(f"{api.url.replace('http', 'ws')}/api/v1/agents/ws?{query}", proxy=None)


def heard(socket: ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(socket.recv(timeout=30))
    return message


@pytest.mark.parametrize(
    "query", ["", "token=", "token=wrong", "token=%C3%BC", f"token={SECRETS['password']}"]
)
def test_without_the_token_nobody_listens(api: ApiBot, query: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        listener(api, query)
    assert refused.value.response.status_code == 403


def test_freqtrades_login_token_opens_it_too(api: ApiBot) -> None:
    bearer = api.client.post("/api/v1/token/login").json()["access_token"]
    with listener(api, f"token={bearer}") as socket:
        assert heard(socket) == {
            "type": "hello",
            "data": {"scope": "live", "types": ["alert", "decision", "risk"]},
        }


def test_decisions_refusals_and_alerts_are_heard_once_and_only_new_ones(api: ApiBot) -> None:
    with listener(api, f"token={SECRETS['ws']}") as socket:
        assert heard(socket)["type"] == "hello"
        episode = wanted(an_episode(30, depths={"quant": 5.0}, scope="live"))
        write_episodes(api.store, [episode])
        decision = heard(socket)
        assert decision["type"] == "decision"
        assert (decision["data"]["id"], decision["data"]["depth"]) == ("BTC/USDT@30", 5.0)
        late = replace(an_episode(30, scope="live", pair="ETH/USDT"))
        write_episodes(api.store, [episode, late])
        assert heard(socket)["data"]["id"] == "ETH/USDT@30"
        api.noted("refusal", "BTC/USDT", "BTC/USDT@30", cause="planted")
        assert heard(socket)["data"]["cause"] == "planted"
        api.dry.attachment.bus.publish("info", "message", f"key {SECRETS['exchange']} leaked")
        alert = heard(socket)
        assert (alert["type"], alert["data"]["text"]) == ("alert", "key *** leaked")
        with pytest.raises(TimeoutError):
            socket.recv(timeout=1.5)


def test_a_listener_hears_only_what_it_asked_for(api: ApiBot) -> None:
    with listener(api, f"token={SECRETS['ws']}&types=alert") as socket:
        assert heard(socket)["data"]["types"] == ["alert"]
        api.noted("refusal", "BTC/USDT", "BTC/USDT@31", cause="planted")
        api.dry.attachment.bus.publish("info", "message", "hello")
        assert heard(socket)["data"]["text"] == "hello"
    with pytest.raises(InvalidStatus):
        listener(api, f"token={SECRETS['ws']}&types=weather")
