"""The ASGI layer that makes requests suffer what the board says."""

from __future__ import annotations

import asyncio

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent_market.sandbox.faults.board import FaultRegistry
from agent_market.sandbox.faults.spec import Drop, MalformedJson, RateLimit, ServerError, TruncatedJson

ADMIN_PREFIX = "/admin"

_FRAMING = (b"content-length", b"transfer-encoding")

_Headers = list[tuple[bytes, bytes]]


class FaultMiddleware:
    """Latency, refusals, dropped connections and broken bodies, as the board has them.

    `/admin` is exempt, so that faults can always be switched off. Responses that are broken are held
    back whole before a byte is sent; all others pass untouched.
    """

    def __init__(self, app: ASGIApp, board: FaultRegistry) -> None:
        self._app = app
        self._board = board

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        strike = None
        if scope["type"] == "http" and not scope["path"].startswith(ADMIN_PREFIX):
            strike = self._board.strike(scope["path"])
        if strike is None:
            await self._app(scope, receive, send)
            return
        if strike.latency_s:
            await asyncio.sleep(strike.latency_s)
        match strike.failure:
            case None:
                await self._app(scope, receive, send)
            case RateLimit(retry_after_s=wait):
                await _refuse(send, 429, "Too many requests", [(b"retry-after", str(wait).encode())])
            case ServerError(status=status):
                await _refuse(send, status, "Internal error; unable to process the request", [])
            case Drop(keep=keep):
                start, body = await self._answer(scope, receive)
                await _send_part_and_close(send, start, body, keep)
            case MalformedJson():
                start, body = await self._answer(scope, receive)
                await _send_whole(send, start, body + b"}")
            case TruncatedJson(keep=keep):
                start, body = await self._answer(scope, receive)
                await _send_whole(send, start, body[: int(len(body) * keep)])

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[Message, bytes]:
        """The whole response of the app: its start message and its body."""
        messages: list[Message] = []

        async def keep_message(message: Message) -> None:
            messages.append(message)

        await self._app(scope, receive, keep_message)
        body = b"".join(m.get("body", b"") for m in messages if m["type"] == "http.response.body")
        return messages[0], body


async def _refuse(send: Send, status: int, message: str, headers: _Headers) -> None:
    # Both dialects at once: Binance clients read `code` and `msg`, OpenAI clients read `error`.
    code = -1003 if status == 429 else -1000
    kind = "rate_limit_error" if status == 429 else "server_error"
    text = f"{message} (injected fault)"
    error = {"message": text, "type": kind, "param": None, "code": None}
    body = orjson.dumps({"code": code, "msg": text, "error": error})
    headers = [(b"content-type", b"application/json"), *headers]
    await _send_whole(send, {"type": "http.response.start", "status": status, "headers": headers}, body)


async def _send_whole(send: Send, start: Message, body: bytes) -> None:
    await send(_with_length(start, len(body)))
    await send({"type": "http.response.body", "body": body})


async def _send_part_and_close(send: Send, start: Message, body: bytes, keep: float) -> None:
    # Returning before the announced length is reached makes the server close the socket.
    announced = max(len(body), 1)
    await send(_with_length(start, announced))
    await send({"type": "http.response.body", "body": body[: int(announced * keep)], "more_body": True})


def _with_length(start: Message, length: int) -> Message:
    kept = [
        (k, v)
        for k, v in start.get("headers", [])
        if k.lower() not in (b"content-length", b"transfer-encoding")
    ]
    return {**start, "headers": [*kept, (b"content-length", str(length).encode())]}
