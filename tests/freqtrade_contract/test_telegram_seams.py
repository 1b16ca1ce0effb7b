"""What `bot.freqtrade_internals.telegram` leans on in freqtrade's Telegram, one test a touch point."""

from __future__ import annotations

import asyncio
import inspect
from types import SimpleNamespace
from typing import Any

import pytest
from freqtrade.enums import RPCMessageType
from freqtrade.rpc import telegram as theirs
from freqtrade.rpc.telegram import Telegram

from agent_market.bot.freqtrade_internals import telegram as internals


def source(thing: object) -> str:
    return inspect.getsource(thing)  # type: ignore[arg-type]


def a_module(**telegram: Any) -> Any:
    module = object.__new__(Telegram)
    module._config = {"telegram": {"token": "1:x", "chat_id": "7", **telegram}}  # type: ignore[attr-defined]
    return module


def an_update(chat: int, user: int) -> Any:
    message = SimpleNamespace(chat_id=chat, message_thread_id=None)
    return SimpleNamespace(
        message=message, callback_query=None, effective_user=SimpleNamespace(id=user, username=None)
    )


def test_telegram_has_the_name_by_which_it_is_found() -> None:
    assert a_module().name == "telegram"


def test_its_loop_and_application_are_made_in_its_own_thread() -> None:
    text = source(Telegram._init)
    assert "self._loop = " in text
    assert "self._app = self._init_telegram_app()" in text
    assert "self._thread = Thread(" in source(Telegram._start_thread)
    assert not internals.is_ready(a_module())


@pytest.mark.parametrize(("chat", "user", "heard"), [(7, 42, True), (8, 42, False), (7, 43, False)])
def test_only_the_configured_chat_and_users_are_let_in(
    chat: int, user: int, heard: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        theirs, "Trade", SimpleNamespace(rollback=lambda: None, session=SimpleNamespace(remove=lambda: None))
    )
    calls = []

    async def handler(module: Any, update: Any, context: Any) -> None:
        calls.append(update)

    module = a_module(authorized_users=["42"])
    asyncio.run(internals.authorised(module, handler)(an_update(chat, user), None))
    assert bool(calls) is heard


def test_it_sends_to_its_own_chat_with_the_mode_that_is_asked_for() -> None:
    parameters = inspect.signature(Telegram._send_msg).parameters
    assert {"msg", "parse_mode", "disable_notification"} <= set(parameters)
    assert source(Telegram._send_msg).count('self._config["telegram"]["chat_id"]') == 2


def test_keys_are_added_once_and_the_config_is_left_alone() -> None:
    own = [["/status"]]
    module = a_module(keyboard=own)
    module._init_keyboard()
    for _ in range(2):
        internals.add_keys(module, ("/agents", "/why"))
    assert module._keyboard == [["/status"], ["/agents", "/why"]]
    assert own == [["/status"]]


def test_loudness_follows_the_notification_settings() -> None:
    module = a_module(notification_settings={"warning": "silent"})
    assert internals.loudness(module, RPCMessageType.WARNING) == "silent"
    assert internals.loudness(module, RPCMessageType.EXCEPTION) == "on"


def test_the_address_of_the_bot_api_can_be_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Telegram, "_init_telegram_app", Telegram._init_telegram_app)  # put back afterwards
    for _ in range(2):
        internals.use_own_bot_api()
    module = a_module()
    assert module._init_telegram_app().bot.base_url.startswith("https://api.telegram.org/bot")
    module._config["agent_market"] = {"bot": {"telegram": {"base_url": "http://127.0.0.1:9/bot"}}}
    assert module._init_telegram_app().bot.base_url == "http://127.0.0.1:9/bot1:x"
    assert "self._app = self._init_telegram_app()" in source(Telegram._init)
