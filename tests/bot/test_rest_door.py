"""What stands before the routes: who comes in, with how much, how often; and sockets that say nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from agent_market.bot.rest import door as doors
from agent_market.bot.rest import install_in_bot
from agent_market.bot.rest.credentials import weak_credentials
from agent_market.bot.rest.door import Door, Logins
from agent_market.commands.checks import settings
from tests.helpers.api_bot import AUTH, ApiBot, api_bot, api_section

REPOSITORY = Path(__file__).resolve().parents[2]
PAUSE, RESUME = "/api/v1/agents/control/pause", "/api/v1/agents/control/resume"
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiBot]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(doors, "SILENT_S", 1.0)
        with api_bot(tmp_path_factory.mktemp("door")) as running:
            yield running


@pytest.mark.parametrize(
    "body",
    [
        b"\xff\xfe",
        b'{"reason": NaN}',
        b'{"reason": Infinity}',
        b"",
        b"[]",
        b"nonsense",
        b'{"reason": "\xed\xa0\x80"}',
    ],
)
@pytest.mark.parametrize("path", [PAUSE, RESUME, "/api/v1/agents/control/mode", "/api/v1/agents/proposals/1"])
def test_a_body_that_is_not_json_is_the_callers_fault(api: ApiBot, path: str, body: bytes) -> None:
    assert api.client.post(path, content=body, headers=JSON).status_code == 422


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
@pytest.mark.parametrize("path", [PAUSE, RESUME])
def test_a_request_that_another_site_can_send_changes_nothing(api: ApiBot, path: str, kind: str) -> None:
    api.post("control/pause", {"reason": "test"})
    headers = {"content-type": kind} if kind else {}
    assert api.client.post(path, content=b"{}", headers=headers).status_code == 415
    assert api.client.post(path, headers=headers).status_code == 415
    assert api.dry.attachment.control.state().paused
    api.post("control/resume")


def raw(api: ApiBot, head: str, body: bytes = b"", wait_s: float = 30.0) -> bytes:
    """What the server says to these bytes, without the rest of the body being sent."""
    place = urlsplit(api.url)
    with socket.create_connection((place.hostname, place.port), wait_s) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode() + body)
        said = b""
        while part := connection.recv(65_536):
            said += part
        return said


@pytest.mark.parametrize("length", ["content-length: 200000000", "transfer-encoding: chunked"])
@pytest.mark.parametrize("path", [PAUSE, "/api/v1/forceenter"])
def test_who_is_not_known_is_answered_before_any_of_the_body(api: ApiBot, path: str, length: str) -> None:
    head = f"POST {path} HTTP/1.1\nhost: x\ncontent-type: application/json\n{length}\n\n"
    assert raw(api, head).startswith(b"HTTP/1.1 401")


def test_a_body_has_a_size_with_and_without_its_length_told(api: ApiBot) -> None:
    large = b'{"reason": "' + b"x" * doors.MOST_BODY + b'"}'
    assert api.client.post(PAUSE, content=large, headers=JSON).status_code == 413

    def in_chunks() -> Iterator[bytes]:
        for start in range(0, len(large), 65_536):
            yield large[start : start + 65_536]

    with contextlib.suppress(httpx.TransportError):  # the server does not read on
        assert api.client.post(PAUSE, content=in_chunks(), headers=JSON).status_code == 413
    assert not api.dry.attachment.control.state().paused


def test_a_connection_that_says_nothing_or_half_a_head_is_closed(api: ApiBot) -> None:
    for head in ("", "POST /api/v1/agents/control/pause HTTP/1.1\nhost:"):
        assert raw(api, head) == b""
    place = urlsplit(api.url)
    with socket.create_connection((place.hostname, place.port), 30) as connection:
        connection.sendall(b"GET /api/v1/ping HTTP/1.1\r\nhost: x\r\n\r\n")
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200")
        connection.sendall(b"GET /api/v1/pi")
        while connection.recv(65_536):
            pass


def test_control_characters_of_others_are_shown_in_answers(api: ApiBot) -> None:
    api.dry.attachment.bus.publish("info", "message", "evil \x1b]0;x\x07", note="\x9b\u202e")
    raw_text = api.client.get("/api/v1/agents/alerts", params={"limit": 1}).text
    assert not set("\x9b\u202e") & set(raw_text)
    alert = json.loads(raw_text)["alerts"][0]
    assert alert["text"] == "evil \\x1b]0;x\\x07"


# --- failed logins -------------------------------------------------------------------------------------


def test_failed_logins_of_an_address_wait_and_a_success_forgets() -> None:
    now = [0.0]
    logins = Logins(lambda: now[0])
    for _ in range(doors.FREE_FAILURES):
        assert logins.spacing("a") == 0.0
        logins.failed("a")
    waits = []
    for _ in range(8):
        waits.append(logins.spacing("a"))
        logins.failed("a")
    assert waits == sorted(waits)
    assert 0.0 < waits[0] < waits[-1] == doors.MOST_WAIT_S
    assert logins.spacing("b") == 0.0
    logins.succeeded("a")
    assert logins.spacing("a") == 0.0
    for n in range(2 * doors.ADDRESSES):
        logins.failed(str(n))
    assert len(logins._failed) == doors.ADDRESSES, "bounded"


def test_many_guesses_at_once_get_few_answers() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("nobody is known")

    door = Door(app, lambda authorization: False)
    answers: list[int] = []

    async def guess() -> None:
        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                answers.append(message["status"])

        scope = {
            "type": "http",
            "method": "GET",
            "path": "/api/v1/agents/status",
            "headers": [(b"authorization", b"Basic eDp5")],
            "client": ("1.2.3.4", 1),
        }
        await door(scope, None, send)  # type: ignore[arg-type]

    async def all_at_once() -> None:
        for _ in range(doors.FREE_FAILURES):
            await guess()
        await asyncio.gather(*(guess() for _ in range(50)))

    asyncio.run(all_at_once())
    assert answers.count(429) == 50 - doors.MOST_WAITING
    assert answers.count(401) == doors.FREE_FAILURES + doors.MOST_WAITING


# --- credentials ---------------------------------------------------------------------------------------

GOOD = api_section(1)


@pytest.mark.parametrize(
    "change",
    [
        {"username": ""},
        {"password": ""},
        {"password": None},
        {"password": "  "},
        {"password": "SuperSecurePassword"},
        {"jwt_secret_key": ""},
        {"jwt_secret_key": "somethingRandomSomethingRandom123"},
        {"ws_token": "sercet_Ws_t0ken"},
        {"ws_token": ["good-one", "secret_Ws_t0ken"]},
    ],
)
def test_an_open_door_serves_none_of_our_routes(
    change: dict[str, Any], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert weak_credentials(GOOD) == ()
    (cause,) = weak_credentials(GOOD | change)
    monkeypatch.setattr("importlib.import_module", lambda name: pytest.fail("installed"))
    install_in_bot(GOOD | change)
    assert cause in caplog.text
    found = settings.api_secrets({"api_server": GOOD | change})
    assert found is not None
    assert (found.level, found.detail) == ("fail", cause)


@pytest.mark.parametrize("key", ["username", "password", "jwt_secret_key", "ws_token"])
@pytest.mark.parametrize("value", [None, 0, 1234, True, [], [None], {}])
def test_a_credential_of_any_type_is_judged_and_never_raises(key: str, value: Any) -> None:
    assert all(f"`{key}`" in cause for cause in weak_credentials(GOOD | {key: value}))


def test_the_webserver_refuses_to_start_with_the_shipped_sandbox_config(tmp_path: Path) -> None:
    config = REPOSITORY / "config" / "sandbox.json"
    done = subprocess.run(
        [
            *(sys.executable, "-c", "from agent_market.cli import main; main()", "webserver"),
            *("--config", str(config), "--userdir", str(tmp_path)),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "`password` is empty" in " ".join(done.stderr.split())
    found = settings.api_secrets(json.loads(config.read_text()))
    assert found is not None
    assert found.level == "warn"
    assert "refuses to start" in found.detail


def test_routes_that_are_there_refuse_once_the_credentials_are_gone(
    api: ApiBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = api.dry.bot.config
    monkeypatch.setitem(config["api_server"], "ws_token", "sercet_Ws_t0ken")
    answer = api.client.get("/api/v1/agents/status")
    assert answer.status_code == 403
    assert "`ws_token`" in answer.json()["detail"]


def test_wrong_passwords_are_slowed_and_the_right_one_comes_through(api: ApiBot) -> None:
    began = time.monotonic()
    for _ in range(doors.FREE_FAILURES + 3):
        assert (
            httpx.get(f"{api.url}/api/v1/agents/status", auth=("anna", "wrong"), timeout=60).status_code
            == 401
        )
    assert time.monotonic() - began >= 0.1 + 0.2
    assert httpx.get(f"{api.url}/api/v1/agents/status", auth=AUTH, timeout=60).status_code == 200
