"""Starting and stopping a server on loopback."""

from __future__ import annotations

import socket
import threading

import httpx
import pytest
from fastapi import FastAPI

from agent_market.errors import SandboxError
from agent_market.sandbox.server import running


def app() -> FastAPI:
    made = FastAPI()
    made.get("/hello")(lambda: "there")
    return made


def test_it_serves_on_a_free_loopback_port_and_stops() -> None:
    with running(app()) as url:
        assert url.startswith("http://127.0.0.1:")
        assert httpx.get(f"{url}/hello").json() == "there"
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/hello")
    assert not [t for t in threading.enumerate() if t.name == "sandbox-server"]


def test_a_taken_port_is_an_error_that_names_it_and_says_what_to_do() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(SandboxError, match=rf"127\.0\.0\.1:{port}.*0 for a free one"),
            running(app(), port),
        ):
            pytest.fail("must not start")


def test_a_port_can_be_used_again_at_once() -> None:
    with running(app()) as url:
        httpx.get(f"{url}/hello")
    port = int(url.rsplit(":", 1)[1])
    with running(app(), port) as again:
        assert again == url
        assert httpx.get(f"{again}/hello").status_code == 200


def test_an_error_inside_the_block_stops_the_server_too() -> None:
    with pytest.raises(RuntimeError, match="inside"), running(app()) as url:
        raise RuntimeError("inside")
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/hello")
