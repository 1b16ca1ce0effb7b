"""The model server's app: routes, and nothing but routes.

The two endpoints that are called in bulk take the raw request and give raw bytes, past FastAPI's
validation: the functions behind them check their input themselves.
"""

from __future__ import annotations

import base64
import struct
from typing import Any

import orjson
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from agent_market.sandbox.faults import FaultRegistry, install
from agent_market.sandbox.model.catalog import card, cards
from agent_market.sandbox.model.chat import complete
from agent_market.sandbox.model.embedding import embed
from agent_market.sandbox.model.protocol import (
    EmbeddingRequest,
    RequestRefused,
    read_embedding,
    unknown_model,
)
from agent_market.sandbox.model.tokens import count_tokens
from agent_market.sandbox.model.usage import UsageMeter

CHAT = "/v1/chat/completions"
EMBEDDINGS = "/v1/embeddings"


def create_model_app(board: FaultRegistry | None = None) -> FastAPI:
    """The OpenAI-compatible server of the rule set `heuristic`.

    Serves `/v1/models`, `/v1/chat/completions`, `/v1/embeddings`; `GET` and `DELETE /admin/usage`;
    `/admin/faults`. API keys are neither needed nor looked at. Base URL for clients: `<url>/v1`.

    :param board: faults to suffer; None = a board of its own.
    """
    board = board if board is not None else FaultRegistry()
    meter = UsageMeter()
    app = FastAPI(title="Agent Market sandbox model", description="Rules behind the OpenAI protocol. No LLM.")
    _add_models(app)
    _add_chat(app, board, meter)
    _add_embeddings(app, meter)
    _add_usage(app, meter)
    install(app, board)
    # Outside of the faults: a request that a fault refuses was still made.
    app.add_middleware(_CountRequests, meter=meter)
    return app


def _add_chat(app: FastAPI, board: FaultRegistry, meter: UsageMeter) -> None:
    async def chat(request: Request) -> Response:
        try:
            body = await request.body()
            completion = complete(body, board.bad_answer(CHAT), board.believed(CHAT, body))
        except RequestRefused as refused:
            return _refusal(refused)
        meter.call(completion.model, completion.prompt_tokens, completion.completion_tokens)
        return Response(completion.body, media_type="application/json")

    app.add_route(CHAT, chat, methods=["POST"])


def _add_embeddings(app: FastAPI, meter: UsageMeter) -> None:
    async def embeddings(request: Request) -> Response:
        try:
            asked = read_embedding(await request.body())
        except RequestRefused as refused:
            return _refusal(refused)
        tokens = sum(map(count_tokens, asked.texts))
        meter.call(asked.model, tokens, 0)
        data = [
            {"object": "embedding", "index": i, "embedding": _vector(text, asked)}
            for i, text in enumerate(asked.texts)
        ]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return _json({"object": "list", "data": data, "model": asked.model, "usage": usage})

    app.add_route(EMBEDDINGS, embeddings, methods=["POST"])


def _add_models(app: FastAPI) -> None:
    @app.get("/v1/models")
    def models() -> dict[str, Any]:
        return {"object": "list", "data": cards()}

    @app.get("/v1/models/{model}", response_model=None)
    def model(model: str) -> dict[str, Any] | Response:
        return card(model) or _refusal(unknown_model(model))


def _add_usage(app: FastAPI, meter: UsageMeter) -> None:
    @app.get("/admin/usage")
    def usage() -> dict[str, Any]:
        return meter.report()

    @app.delete("/admin/usage")
    def reset_usage() -> dict[str, Any]:
        meter.reset()
        return meter.report()


class _CountRequests:
    def __init__(self, app: ASGIApp, meter: UsageMeter) -> None:
        self._app = app
        self._meter = meter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] in (CHAT, EMBEDDINGS):
            self._meter.request()
        await self._app(scope, receive, send)


def _vector(text: str, asked: EmbeddingRequest) -> list[float] | str:
    vector = embed(text, asked.dimensions)
    if asked.encoding == "float":
        return vector
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _json(body: dict[str, Any], status: int = 200) -> Response:
    return Response(orjson.dumps(body), status_code=status, media_type="application/json")


def _refusal(refused: RequestRefused) -> Response:
    return _json(refused.body(), refused.status)
