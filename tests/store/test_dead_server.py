"""A database server that is gone: the bot waits for it for seconds."""

from __future__ import annotations

import socket
from typing import Any

import psycopg
import pytest

from agent_market.errors import StoreError
from agent_market.store.database import Database


@pytest.mark.parametrize(
    ("query", "connect_s", "silent_ms"), [("", 5, 5_000), ("?connect_timeout=60", 60, 5_000)]
)
def test_a_server_that_does_not_answer_is_waited_for_some_seconds(
    monkeypatch: pytest.MonkeyPatch, query: str, connect_s: int, silent_ms: int
) -> None:
    seen: dict[str, Any] = {}

    def connect(*_: Any, **given: Any) -> None:
        seen.update(given)
        raise psycopg.OperationalError("connection timeout expired")

    monkeypatch.setattr(psycopg, "connect", connect)
    with pytest.raises(StoreError, match="timeout"):
        Database(f"postgresql+psycopg://me@127.0.0.1/market{query}")
    assert int(seen["connect_timeout"]) == connect_s
    assert int(seen["tcp_user_timeout"]) == silent_ms


def test_a_server_that_takes_the_call_and_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent_market.store.database.SERVER_TIMEOUT_S", 2)
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(StoreError, match="timeout"),
    ):
        Database(f"postgresql+psycopg://me@127.0.0.1:{silent.getsockname()[1]}/market")
