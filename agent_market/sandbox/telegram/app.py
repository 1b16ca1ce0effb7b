"""The Telegram server's routes: the Bot API for the bot, and `/admin` for who plays its users."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import orjson
from fastapi import FastAPI
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse

from agent_market.errors import SandboxError
from agent_market.sandbox.telegram.room import BOT, ChatState, Json

LONGEST_POLL_S = 50.0


class Saying(BaseModel):
    """`POST /admin/say`: a user writes."""

    text: str
    chat_id: int
    user_id: int
    username: str | None = None


class Press(BaseModel):
    """`POST /admin/press`: a user presses an inline button."""

    data: str
    message_id: int
    chat_id: int
    user_id: int


def create_telegram_app(token: str | None = None) -> FastAPI:
    """The part of the Bot API that a freqtrade bot uses; base URL for it: `<url>/bot`.

    `POST /admin/say` and `/admin/press` play a user; `GET /admin/sent?after=N` and `/admin/commands` tell
    what the bot sent and which menu it set. Marks that Telegram cannot parse are refused as it does.

    :param token: the only token that is let in; None = any.
    """
    app = FastAPI(title="Agent Market sandbox Telegram", description="A Bot API on loopback, for tests.")
    room = ChatState()
    _add_bot_api(app, room, token)
    _add_admin(app, room)
    return app


def _add_bot_api(app: FastAPI, room: ChatState, token: str | None) -> None:
    @app.api_route("/bot{given}/{method}", methods=["GET", "POST"])
    async def call(given: str, method: str, request: Request) -> JSONResponse:
        if token is not None and not hmac.compare_digest(given.encode(), token.encode()):
            return _refused(401, "Unauthorized")
        fields = dict(request.query_params) | dict(parse_qsl((await request.body()).decode()))
        try:
            if method == "getUpdates":
                wait = min(float(fields.get("timeout", 0)), LONGEST_POLL_S)
                result: Any = await room.updates(int(fields.get("offset", 0)), wait)
            elif method in _METHODS:
                result = _METHODS[method](room, fields)
            else:
                return _refused(404, f"Not Found: the sandbox has no method {method}")
        except SandboxError as error:
            return _refused(400, str(error))
        except (KeyError, ValueError) as error:
            return _refused(400, f"Bad Request: {error!r}")
        return JSONResponse({"ok": True, "result": result})


def _add_admin(app: FastAPI, room: ChatState) -> None:
    @app.post("/admin/say")
    async def say(saying: Saying) -> Json:
        return room.say(saying.chat_id, saying.user_id, saying.text, saying.username)

    @app.post("/admin/press")
    async def press(press: Press) -> JSONResponse:
        try:
            return JSONResponse(room.press(press.chat_id, press.user_id, press.message_id, press.data))
        except SandboxError as error:
            return JSONResponse({"detail": str(error)}, 404)

    @app.get("/admin/sent")
    async def sent(after: int = 0) -> list[Any]:
        return room.sent[after:]

    @app.get("/admin/commands")
    async def commands() -> list[Json]:
        return room.commands


def _refused(code: int, why: str) -> JSONResponse:
    return JSONResponse({"ok": False, "error_code": code, "description": why}, code)


def _buttons(fields: dict[str, str]) -> list[Json]:
    markup = orjson.loads(fields.get("reply_markup") or "{}")
    return [button for row in markup.get("inline_keyboard", []) for button in row]


def _send(room: ChatState, fields: dict[str, str]) -> Json:
    return room.send(int(fields["chat_id"]), fields["text"], fields.get("parse_mode"), _buttons(fields))


def _edit(room: ChatState, fields: dict[str, str]) -> Json:
    place = int(fields["chat_id"]), int(fields["message_id"])
    return room.edit(*place, fields["text"], fields.get("parse_mode"), _buttons(fields))


def _set_commands(room: ChatState, fields: dict[str, str]) -> bool:
    room.commands = orjson.loads(fields["commands"])
    return True


def _answer(room: ChatState, fields: dict[str, str]) -> bool:
    room.answer(fields.get("text", ""))
    return True


def _forget(room: ChatState, fields: dict[str, str]) -> bool:
    if fields.get("drop_pending_updates", "").lower() == "true":
        room.drop()
    return True


_METHODS: dict[str, Callable[[ChatState, dict[str, str]], Any]] = {
    "getMe": lambda room, fields: BOT | {"can_join_groups": True, "supports_inline_queries": False},
    "getMyCommands": lambda room, fields: [],
    "setMyCommands": _set_commands,
    "deleteWebhook": _forget,
    "sendMessage": _send,
    "editMessageText": _edit,
    "answerCallbackQuery": _answer,
    "sendChatAction": lambda room, fields: True,
}
