"""What every route of ours does: errors raised on purpose become an answer, and no secret leaves."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Any

import orjson
from fastapi import Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict

from agent_market.bot.freqtrade_internals import api as internals
from agent_market.bot.rest.credentials import ADVICE, weak_credentials
from agent_market.errors import AgentMarketError, ConfigError, ControlUnreadable, DataError, StoreError
from agent_market.utils.plain_text import plain_data
from agent_market.utils.redaction import Redactor

logger = logging.getLogger(__name__)

STATUS: dict[type[AgentMarketError], int] = {
    DataError: 404,
    ConfigError: 422,
    ControlUnreadable: 503,
    StoreError: 503,
}

_redactor: tuple[int, Redactor] | None = None


class Problem(BaseModel):
    """Why there is no answer."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    detail: str
    """What was wrong, and what to do."""


class Fault(BaseModel):
    """One field that was not understood, as FastAPI tells it."""

    loc: list[str | int]
    msg: str
    type: str


class BadRequest(BaseModel):
    """What was wrong with the request."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    detail: str | list[Fault]
    """What was wrong, and what to do; by field where the body is JSON and does not fit."""


RESPONSES: dict[int | str, dict[str, Any]] = {
    401: {"model": Problem, "description": "No user, or a wrong password or token."},
    403: {"model": Problem, "description": "The credentials of `api_server` are empty or published."},
    404: {"model": Problem, "description": "There is no such decision, or no store yet."},
    415: {"model": Problem, "description": "A POST without `content-type: application/json`."},
    422: {"model": BadRequest, "description": "Not JSON, not an object, or a value that does not fit."},
    503: {"model": Problem, "description": "The store or the kill switch's folder cannot be used."},
}


class AgentsRoute(APIRoute):
    """A route whose `AgentMarketError` is told with its status, and whose body is redacted."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            try:
                weak = weak_credentials(internals.api_config().get("api_server", {}))
                if weak:
                    return JSONResponse({"detail": f"not served: {'; '.join(weak)}; {ADVICE}"}, 403)
                if request.method == "POST":
                    await _require_json(request)
                response = await handle(request)
            except _BadBody as error:
                return JSONResponse({"detail": str(error)}, error.status)
            except AgentMarketError as error:
                detail = redactor().text(str(error))
                code = next((c for kind, c in STATUS.items() if isinstance(error, kind)), 500)
                if code >= 500:
                    logger.error("%s: %s", request.url.path, detail)
                return JSONResponse({"detail": detail}, status_code=code)
            body = bytes(response.body)
            clean = _clean(body)
            if clean != body:
                response.body = clean
                response.headers["content-length"] = str(len(clean))
            return response

        return guarded


class _BadBody(Exception):
    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


async def _require_json(request: Request) -> None:
    """One content type, which no page of another site can send unasked, and JSON by the letter.

    :raises _BadBody: 415 for another content type; 422 for what is not JSON, NaN and broken UTF-8 included.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise _BadBody(415, f"content type {kind[:100]!r}; send application/json")
    try:
        body = orjson.loads(await request.body())
    except orjson.JSONDecodeError as error:
        raise _BadBody(422, f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise _BadBody(422, f"the body is {type(body).__name__}, not a JSON object; send at least {{}}")


def _clean(body: bytes) -> bytes:
    """JSON without secrets, and with nothing in its texts that a terminal would obey."""
    text = redactor().hidden(body.decode())
    try:
        return orjson.dumps(plain_data(orjson.loads(text)))
    except orjson.JSONDecodeError:
        return redactor().text(text).encode()


def redactor() -> Redactor:
    """That of the config in force; made anew after a reload."""
    global _redactor
    config = internals.api_config()
    if _redactor is None or _redactor[0] != id(config):
        _redactor = (id(config), Redactor(config))
    return _redactor[1]
