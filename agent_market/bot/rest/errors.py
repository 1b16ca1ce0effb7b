"""What every route of ours does: errors raised on purpose become an answer, and no secret leaves."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict

from agent_market.bot.freqtrade_internals import api as internals
from agent_market.errors import AgentMarketError, ConfigError, ControlUnreadable, DataError, StoreError
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


RESPONSES: dict[int | str, dict[str, Any]] = {
    401: {"model": Problem, "description": "No user, or a wrong password or token."},
    404: {"model": Problem, "description": "There is no such decision, or no store yet."},
    503: {"model": Problem, "description": "The store or the kill switch's folder cannot be used."},
}


class AgentsRoute(APIRoute):
    """A route whose `AgentMarketError` is told with its status, and whose body is redacted."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            try:
                response = await handle(request)
            except AgentMarketError as error:
                detail = redactor().text(str(error))
                code = next((c for kind, c in STATUS.items() if isinstance(error, kind)), 500)
                if code >= 500:
                    logger.error("%s: %s", request.url.path, detail)
                return JSONResponse({"detail": detail}, status_code=code)
            body = bytes(response.body)
            clean = redactor().text(body.decode()).encode()
            if clean != body:
                response.body = clean
                response.headers["content-length"] = str(len(clean))
            return response

        return guarded


def redactor() -> Redactor:
    """That of the config in force; made anew after a reload."""
    global _redactor
    config = internals.api_config()
    if _redactor is None or _redactor[0] != id(config):
        _redactor = (id(config), Redactor(config))
    return _redactor[1]
