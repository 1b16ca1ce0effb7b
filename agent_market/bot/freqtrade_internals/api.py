"""The part of `internals.freqtrade` about freqtrade's API server: apart, because a backtest need not load
it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, WebSocket
from fastapi.security import HTTPBasic, HTTPBasicCredentials, OAuth2PasswordBearer
from freqtrade.rpc.api_server.api_auth import http_basic_or_jwt_token, validate_ws_token
from freqtrade.rpc.api_server.api_v1 import router as private_router
from freqtrade.rpc.api_server.api_ws import router as socket_router
from freqtrade.rpc.api_server.deps import get_api_config, get_config, get_rpc, get_rpc_optional

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
    return get_config()


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
    known = token if token and token.isascii() else ""  # other characters are an error within freqtrade
    user: str | None = await validate_ws_token(socket, known, get_api_config())
    return user
