"""What a client may send, read from the raw request, and the errors that it gets back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from agent_market.errors import SandboxError
from agent_market.sandbox.model.catalog import CHAT_MODELS, EMBEDDING_MODELS
from agent_market.sandbox.model.embedding import DEFAULT_DIMENSIONS, MOST_DIMENSIONS


class RequestRefused(SandboxError):
    """A request that cannot be served; becomes an error body of the OpenAI protocol."""

    def __init__(self, status: int, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.param, self.code = status, param, code

    def body(self) -> dict[str, Any]:
        error = {
            "message": str(self),
            "type": "invalid_request_error",
            "param": self.param,
            "code": self.code,
        }
        return {"error": error}


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A request for an answer. `schema` is the JSON schema it must fit, `max_tokens` its longest length."""

    model: str
    texts: tuple[str, ...]
    system_texts: tuple[str, ...]
    user_texts: tuple[str, ...]
    schema: Mapping[str, Any] | None
    max_tokens: int | None


@dataclass(frozen=True, slots=True)
class EmbeddingRequest:
    """A request for one vector a text."""

    model: str
    texts: tuple[str, ...]
    dimensions: int
    encoding: Literal["float", "base64"]


def read_chat(body: bytes) -> ChatRequest:
    """Sampling settings (`temperature`, `seed`, ...) are accepted and change nothing.

    :raises RequestRefused: 404 for an unknown model, 400 for anything else that cannot be served.
    """
    raw = _object(body)
    model = _model(raw, CHAT_MODELS)
    if raw.get("stream"):
        raise _bad("`stream` is not supported; leave it out", "stream")
    if raw.get("n") not in (None, 1):
        raise _bad(f"`n` must be 1, got {raw['n']!r}", "n")
    messages = raw.get("messages")
    if not isinstance(messages, list) or not messages:
        raise _bad("`messages` must be a list with at least one message", "messages")
    pairs = [_message(message, i) for i, message in enumerate(messages)]
    return ChatRequest(
        model=model,
        texts=tuple(text for _, text in pairs),
        system_texts=tuple(text for role, text in pairs if role in ("system", "developer")),
        user_texts=tuple(text for role, text in pairs if role == "user"),
        schema=_schema(raw.get("response_format")),
        max_tokens=_limit(raw),
    )


def read_embedding(body: bytes) -> EmbeddingRequest:
    """:raises RequestRefused: 404 for an unknown model, 400 for anything else that cannot be served."""
    raw = _object(body)
    model = _model(raw, EMBEDDING_MODELS)
    given = raw.get("input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts or not all(isinstance(t, str) and t for t in texts):
        raise _bad("`input` must be a text or a list of texts, none empty, no token ids", "input")
    dimensions = raw.get("dimensions", DEFAULT_DIMENSIONS)
    if type(dimensions) is not int or not 1 <= dimensions <= MOST_DIMENSIONS:
        raise _bad(f"`dimensions` must be in 1..{MOST_DIMENSIONS}, got {dimensions!r}", "dimensions")
    encoding = raw.get("encoding_format", "float")
    if encoding not in ("float", "base64"):
        raise _bad(f"`encoding_format` must be float or base64, got {encoding!r}", "encoding_format")
    return EmbeddingRequest(model, tuple(texts), dimensions, encoding)


def unknown_model(model: object) -> RequestRefused:
    """The 404 for a model that is not on offer."""
    known = ", ".join((*CHAT_MODELS, *EMBEDDING_MODELS))
    return RequestRefused(
        404, f"The model `{model}` does not exist here. On offer: {known}", "model", "model_not_found"
    )


def _bad(message: str, param: str | None = None) -> RequestRefused:
    return RequestRefused(400, message, param)


def _object(body: bytes) -> dict[str, Any]:
    try:
        raw = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _bad(f"the request body is not JSON: {error}") from error
    if not isinstance(raw, dict):
        raise _bad(f"the request body must be a JSON object, got {type(raw).__name__}")
    return raw


def _model(raw: Mapping[str, Any], offered: Mapping[str, str]) -> str:
    model = raw.get("model")
    if not isinstance(model, str) or not model:
        raise _bad("`model` is missing", "model")
    if model in offered:
        return model
    if model in CHAT_MODELS or model in EMBEDDING_MODELS:
        raise _bad(f"the model `{model}` does not serve this endpoint; use {', '.join(offered)}", "model")
    raise unknown_model(model)


def _message(raw: Any, i: int) -> tuple[str, str]:
    where = f"messages[{i}]"
    if not isinstance(raw, dict) or not isinstance(raw.get("role"), str):
        raise _bad(f"`{where}` must be an object with a `role`", where)
    content = raw.get("content")
    if content is None:
        return raw["role"], ""
    if isinstance(content, str):
        return raw["role"], content
    if isinstance(content, list) and all(_is_text_part(part) for part in content):
        return raw["role"], "".join(part["text"] for part in content)
    raise _bad(f"`{where}.content` must be text or a list of text parts", where)


def _is_text_part(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)


def _schema(response_format: Any) -> Mapping[str, Any] | None:
    if response_format is None:
        return None
    kind = response_format.get("type") if isinstance(response_format, dict) else response_format
    if kind in ("text", "json_object"):
        return None
    if kind != "json_schema":
        known = "text, json_object or json_schema"
        raise _bad(f"`response_format.type` must be {known}, got {kind!r}", "response_format")
    wrapper = response_format.get("json_schema")
    schema = wrapper.get("schema") if isinstance(wrapper, dict) else None
    if not isinstance(schema, dict):
        raise _bad("`response_format.json_schema.schema` must be a JSON schema object", "response_format")
    return schema


def _limit(raw: Mapping[str, Any]) -> int | None:
    for key in ("max_completion_tokens", "max_tokens"):
        limit = raw.get(key)
        if limit is None:
            continue
        if type(limit) is not int or limit < 1:
            raise _bad(f"`{key}` must be a whole number of at least 1, got {limit!r}", key)
        return limit
    return None
