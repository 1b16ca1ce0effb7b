"""The part of `internals.freqtrade` about freqtrade's API server: apart, because a backtest need not load
it."""

from __future__ import annotations

import functools
from base64 import b64decode
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, WebSocket
from fastapi.security import HTTPBasic, HTTPBasicCredentials, OAuth2PasswordBearer
from freqtrade.rpc.api_server.api_auth import http_basic_or_jwt_token, validate_ws_token
from freqtrade.rpc.api_server.api_v1 import router as private_router
from freqtrade.rpc.api_server.api_ws import router as socket_router
from freqtrade.rpc.api_server.deps import get_api_config, get_config, get_rpc, get_rpc_optional
from starlette.middleware import Middleware

from agent_market.bot.rest.credentials import weak_credentials
from agent_market.bot.rest.door import Door, closing

_included: set[int] = set()


def add_routes(guarded: Iterable[APIRouter], sockets: Iterable[APIRouter]) -> None:
    """Put routers under `/api/v1` of every API server that this process makes; each once.

    :param guarded: behind user and password or token, as all of freqtrade's own private routes.
    :param sockets: WebSockets; each must ask for `socket_user` itself.
    """
    for parent, routers in ((private_router, guarded), (socket_router, sockets)):
        for router in routers:
            if id(router) not in _included:
                parent.include_router(router)
                _included.add(id(router))


def api_config() -> dict[str, Any]:
    """The merged config that freqtrade's API server runs with; that of the newest reload."""
    config: dict[str, Any] = get_config()
    return config


async def bot_session() -> AsyncIterator[None]:
    """A dependency: trades are read in a database session of the request's own; nothing without a bot."""
    if get_rpc_optional() is None:
        yield
        return
    async with asynccontextmanager(get_rpc)():  # type: ignore[arg-type]
        yield


def api_user(
    basic: Annotated[HTTPBasicCredentials | None, Depends(HTTPBasic(auto_error=False))],
    token: Annotated[str | None, Depends(OAuth2PasswordBearer(tokenUrl="token", auto_error=False))],
) -> str:
    """A dependency: who asks, by freqtrade's own authentication (401 for nobody)."""
    return str(http_basic_or_jwt_token(basic, token, get_api_config()))


async def socket_user(socket: WebSocket, token: Annotated[str | None, Query()] = None) -> str | None:
    """A dependency: who opens a WebSocket; None = freqtrade has closed it, for the token was wrong."""
    if weak_credentials(get_api_config()):
        await socket.close(1008, "`api_server` has empty or public credentials")
        return None
    known = token if token and token.isascii() else ""  # other characters are an error within freqtrade
    user: str | None = await validate_ws_token(socket, known, get_api_config())
    return user


def is_known(authorization: str) -> bool:
    """Whether a header `Authorization` is that of a user, by freqtrade's own authentication."""
    kind, _, word = authorization.partition(" ")
    try:
        if kind.lower() == "bearer":
            http_basic_or_jwt_token(None, word.strip(), get_api_config())
        elif kind.lower() == "basic":
            user, _, password = b64decode(word.strip(), validate=True).decode("ascii").partition(":")
            credentials = HTTPBasicCredentials(username=user, password=password)
            http_basic_or_jwt_token(credentials, None, get_api_config())
        else:
            return False
    except (HTTPException, ValueError, TypeError):
        return False
    return True


def guard_server() -> None:
    """Put the door (`bot.rest.door`) before every API server that this process makes; once is enough."""
    from freqtrade.rpc.api_server import webserver  # noqa: PLC0415 - with the server
    from uvicorn.protocols.http.auto import AutoHTTPProtocol  # noqa: PLC0415

    original = webserver.ApiServer.configure_app
    if getattr(original, "is_guarded", False):
        return

    @functools.wraps(original)
    def configure_app(self: Any, app: Any, config: Any) -> None:
        original(self, app, config)
        app.user_middleware.append(Middleware(Door, is_known=is_known))  # the last is the innermost

    configure_app.is_guarded = True  # type: ignore[attr-defined]
    webserver.ApiServer.configure_app = configure_app
    made = webserver.UvicornServer

    class Server(made):  # type: ignore[misc, valid-type]
        def __init__(self, config: Any) -> None:
            config.http = closing(AutoHTTPProtocol)
            super().__init__(config)

    webserver.UvicornServer = Server  # type: ignore[misc]
