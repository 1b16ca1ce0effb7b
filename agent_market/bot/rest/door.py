"""What stands before every route of the API server: who, how much, how often, for how long.

A request to `/api/v1` is let in by its headers before any of its body is read. Failed logins of an address
wait for each other. Sockets that say nothing are closed.
"""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

MOST_BODY = 1 << 20
"""Bytes of a request's body; the largest of ours has some hundred."""
BODY_S = 20.0
"""Seconds for the next part of a body to come."""
SILENT_S = 10.0
"""Seconds for a connection to send the whole head of a request."""
FREE_FAILURES = 5
FORGET_S = 60.0
MOST_WAIT_S = 2.0
MOST_WAITING = 8
ADDRESSES = 10_000
PUBLIC = ("/api/v1/ping", "/api/v1/token/login", "/api/v1/token/refresh")
LOGIN = "/api/v1/token/login"


class _TooLarge(Exception):
    pass


class _TooSlow(Exception):
    pass


class Logins:
    """Failed logins by address. After `FREE_FAILURES` each attempt waits its turn, right or wrong.

    So an address that guesses gets few answers a second, however many it asks at once. A success forgets.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failed: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._turn: dict[str, float] = {}
        self._waiting: dict[str, int] = {}

    def spacing(self, address: str) -> float:
        """Seconds between two attempts of an address now."""
        count, last = self._failed.get(address, (0, 0.0))
        if count < FREE_FAILURES or self._clock() - last > FORGET_S:
            return 0.0
        return min(0.1 * 2.0 ** min(count - FREE_FAILURES, 10), MOST_WAIT_S)

    async def wait(self, address: str) -> bool:
        """Wait for one's turn; False = too many wait already."""
        spacing = self.spacing(address)
        if not spacing:
            return True
        if self._waiting.get(address, 0) >= MOST_WAITING:
            return False
        now = self._clock()
        turn = self._turn[address] = max(now, self._turn.get(address, now)) + spacing
        self._waiting[address] = self._waiting.get(address, 0) + 1
        try:
            await asyncio.sleep(turn - now)
        finally:
            self._waiting[address] -= 1
        return True

    def failed(self, address: str) -> None:
        count, last = self._failed.pop(address, (0, 0.0))
        now = self._clock()
        self._failed[address] = (count + 1 if now - last <= FORGET_S else 1, now)
        while len(self._failed) > ADDRESSES:
            gone, _ = self._failed.popitem(last=False)
            self._turn.pop(gone, None)
            self._waiting.pop(gone, None)

    def succeeded(self, address: str) -> None:
        self._failed.pop(address, None)
        self._turn.pop(address, None)


class Door:
    """ASGI middleware; the innermost one, so that answers of CORS come first."""

    def __init__(self, app: App, is_known: Callable[[str], bool]) -> None:
        """:param is_known: whether a header `Authorization` is that of a user, by freqtrade's own check."""
        self._app = app
        self._is_known = is_known
        self._logins = Logins()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        path = str(scope.get("path", ""))
        if scope["type"] == "websocket" and path.startswith("/api/v1/"):
            await self._socket(scope, receive, send)
        elif scope["type"] == "http" and path.startswith("/api/v1/") and scope["method"] != "OPTIONS":
            await self._request(path, scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _request(
        self, path: str, scope: MutableMapping[str, Any], receive: Receive, send: Send
    ) -> None:
        headers = {name.lower(): value for name, value in scope["headers"]}
        who = headers.get(b"authorization", b"").decode("latin-1")
        address = _address(scope)
        basic = who[:6].lower() == "basic "
        if basic and not await self._logins.wait(address):
            await _refuse(send, 429, "too many failed logins; wait", {b"retry-after": b"10"})
            return
        known = bool(who) and (path not in PUBLIC or basic) and self._is_known(who)
        if basic:
            (self._logins.succeeded if known else self._logins.failed)(address)
        if (path not in PUBLIC or (path == LOGIN and basic)) and not known:
            ask = {b"www-authenticate": b"Basic" if basic or not who else b"Bearer"}
            await _refuse(send, 401, "Unauthorized", ask)
            return
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > MOST_BODY:
            await _refuse(send, 413, f"the body has more than {MOST_BODY} bytes")
            return
        await self._read_within(scope, receive, send)

    async def _read_within(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """The route, which may read so many bytes at such a pace."""
        read, begun, ended = 0, False, False

        async def limited() -> Message:
            nonlocal read, ended
            if ended:  # what comes now is the end of the connection, which may be waited for
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), BODY_S)
            except TimeoutError as error:
                raise _TooSlow from error
            if message["type"] == "http.request":
                read += len(message.get("body", b""))
                ended = not message.get("more_body", False)
            if read > MOST_BODY:
                raise _TooLarge
            return message

        async def answer(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        # Read here: within the route a failure would be taken for one of its own.
        parts: list[Message] = []
        try:
            while not ended:
                parts.append(await limited())
                if parts[-1]["type"] == "http.disconnect":
                    return
        except _TooLarge:
            await _refuse(send, 413, f"the body has more than {MOST_BODY} bytes")
            return
        except _TooSlow:
            await _refuse(send, 408, "the body did not come in time")
            return

        async def replay() -> Message:
            return parts.pop(0) if parts else await receive()

        await self._app(scope, replay, answer)

    async def _socket(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        address = _address(scope)
        if not await self._logins.wait(address):
            await receive()
            await send({"type": "websocket.close", "code": 1013, "reason": "too many failed logins"})
            return
        accepted = False

        async def noted(message: Message) -> None:
            nonlocal accepted
            if message["type"] == "websocket.accept":
                accepted = True
                self._logins.succeeded(address)
            elif message["type"] == "websocket.close" and not accepted and message.get("code") == 1008:
                self._logins.failed(address)
            await send(message)

        await self._app(scope, receive, noted)


def _address(scope: MutableMapping[str, Any]) -> str:
    return str((scope.get("client") or ("",))[0])


async def _refuse(send: Send, status: int, detail: str, headers: dict[bytes, bytes] | None = None) -> None:
    """An answer without a look at the body; the connection is closed, for the body may be endless."""
    body = json.dumps({"detail": detail}).encode()
    fixed = {
        b"content-type": b"application/json",
        b"content-length": str(len(body)).encode(),
        b"connection": b"close",
    }
    all_headers = list({**fixed, **(headers or {})}.items())
    await send({"type": "http.response.start", "status": status, "headers": all_headers})
    await send({"type": "http.response.body", "body": body})


def closing(protocol: type[Any], silent_s: float | None = None) -> type[Any]:
    """uvicorn's HTTP protocol, which closes a connection that does not finish the head of a request in time.

    The kernel asks an idle one whether it still lives, so that a vanished listener's socket ends too.
    """

    class Closing(protocol):  # type: ignore[misc]
        _closes: Any = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            _keep_alive(transport.get_extra_info("socket"))
            self._expect()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self._is_idle():
                self._expect()
            else:
                self._relax()

        def connection_lost(self, exc: Exception | None) -> None:
            self._relax()
            super().connection_lost(exc)

        def handle_websocket_upgrade(self, *given: Any) -> Any:
            self._relax()
            return super().handle_websocket_upgrade(*given)

        def _is_idle(self) -> bool:
            cycle = getattr(self, "cycle", None)
            return cycle is None or bool(cycle.response_complete)

        def _expect(self) -> None:
            if self._closes is None:
                self._closes = self.loop.call_later(
                    SILENT_S if silent_s is None else silent_s, self._close_if_idle
                )

        def _relax(self) -> None:
            if self._closes is not None:
                self._closes.cancel()
                self._closes = None

        def _close_if_idle(self) -> None:
            self._closes = None
            if self._is_idle() and not self.transport.is_closing():
                self.transport.close()

    return Closing


def _keep_alive(sock: Any) -> None:
    if sock is None:
        return
    options = [(socket.SOL_SOCKET, "SO_KEEPALIVE", 1)]
    options += [(socket.IPPROTO_TCP, name, n) for name, n in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15))]
    options.append((socket.IPPROTO_TCP, "TCP_KEEPCNT", 4))
    for level, name, value in options:
        if hasattr(socket, name):
            sock.setsockopt(level, getattr(socket, name), value)
