"""Refusals as Binance words them: HTTP 400 and {"code": -1121, "msg": "Invalid symbol."}."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException


class Refusal(Exception):
    """A request that Binance would refuse; becomes the response."""

    def __init__(self, code: int, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


def invalid_symbol() -> Refusal:
    return Refusal(-1121, "Invalid symbol.")


def invalid_interval() -> Refusal:
    return Refusal(-1120, "Invalid interval.")


def install_errors(app: FastAPI) -> None:
    """Make refusals, bad parameters and unknown paths of `app` look like Binance's."""

    @app.exception_handler(Refusal)
    async def refused(request: Request, refusal: Refusal) -> Response:
        return _answer(refusal)

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> Response:
        problem = error.errors()[0]
        name = problem["loc"][-1]
        if problem["type"] == "missing":
            return _answer(
                Refusal(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
            )
        return _answer(Refusal(-1100, f"Illegal characters found in parameter '{name}'."))

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, error: HTTPException) -> Response:
        if error.status_code != 404:
            return _answer(Refusal(-1000, str(error.detail), error.status_code))
        message = f"Path {request.url.path}, Method {request.method} is invalid"
        return _answer(Refusal(-5000, message, 404))


def _answer(refusal: Refusal) -> Response:
    return JSONResponse({"code": refusal.code, "msg": refusal.message}, refusal.status)
