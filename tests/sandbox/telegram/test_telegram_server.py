"""The sandbox's Bot API: what goes in comes out, and what Telegram refuses is refused."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from agent_market.errors import SandboxError
from agent_market.sandbox.telegram import create_telegram_app
from agent_market.sandbox.telegram.entities import visible

TOKEN = "1:secret"
USER = {"chat_id": 7, "user_id": 7}


@pytest.fixture
def client() -> TestClient:
    return TestClient(create_telegram_app(TOKEN))


def api(client: TestClient, method: str, **fields: object) -> dict:
    return client.post(f"/bot{TOKEN}/{method}", data=fields).json()


def test_a_wrong_token_and_an_unknown_method_are_refused(client: TestClient) -> None:
    assert client.post("/bot1:other/getMe").status_code == 401
    assert client.post(f"/bot{TOKEN}/sendRocket").status_code == 404
    assert api(client, "getMe")["result"]["username"] == "sandbox_bot"


def test_an_update_comes_until_it_is_confirmed(client: TestClient) -> None:
    number = client.post("/admin/say", json={**USER, "text": "/why 3"}).json()["update_id"]
    for _ in range(2):
        (update,) = api(client, "getUpdates", offset=0)["result"]
        assert update["message"]["entities"] == [{"type": "bot_command", "offset": 0, "length": 4}]
    assert api(client, "getUpdates", offset=number + 1)["result"] == []


def test_buttons_can_be_pressed_only_while_they_are_there(client: TestClient) -> None:
    keys = '{"inline_keyboard": [[{"text": "Yes", "callback_data": "y"}]]}'
    sent = api(client, "sendMessage", chat_id=7, text="enter?", reply_markup=keys)["result"]
    press = {**USER, "message_id": sent["message_id"], "data": "y"}
    assert client.post("/admin/press", json=press).json()["callback_query"]["data"] == "y"
    api(client, "editMessageText", chat_id=7, message_id=sent["message_id"], text="entered")
    assert client.post("/admin/press", json=press).status_code == 404
    assert [s["text"] for s in client.get("/admin/sent").json()] == ["enter?", "entered"]
    assert not api(client, "editMessageText", chat_id=7, message_id=99, text="x")["ok"]


@pytest.mark.parametrize(
    ("text", "mode", "seen"),
    [
        ("*bold* and `a_b`", "Markdown", "bold and a_b"),
        ("a\\_b", "Markdown", "a_b"),
        ("<b>1 &lt; 2</b>", "HTML", "1 < 2"),
        ("_as it is", None, "_as it is"),
    ],
)
def test_marks_are_taken_away(text: str, mode: str | None, seen: str) -> None:
    assert visible(text, mode) == seen


@pytest.mark.parametrize(
    ("text", "mode", "why"),
    [
        ("flash_crash", "Markdown", "starting at byte offset 5"),
        ("1 ` 2", "Markdown", "can't find end"),
        ("<b>x", "HTML", "no end tag"),
        ("<blink>x</blink>", "HTML", "unsupported start tag"),
        ("x" * 4097, None, "too long"),
        ("  ", None, "empty"),
    ],
)
def test_what_telegram_refuses_is_refused(text: str, mode: str | None, why: str) -> None:
    with pytest.raises(SandboxError, match=why):
        visible(text, mode)
