"""What an endpoint sent, as a chat completion or as the error that it is; strict about neither's form.

Each server fills the protocol's envelope in its own way. What is not needed is not looked at;
what is needed is taken from where such servers put it, and a reply without it says what came instead.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agent_market.llm.endpoints.lenient_json import NotJson, loads

MAX_SHOWN = 120
MAX_MESSAGE = 2_000
HTTP_OK = 200
HTTP_ERROR = 400

FINISHED = frozenset(
    {"", "stop", "end_turn", "eos", "eos_token", "stop_sequence", "tool_calls", "function_call"}
)
CUT_OFF = frozenset(
    {"length", "max_tokens", "max_output_tokens", "max_completion_tokens", "model_length", "max_length"}
)
BROKEN_OFF = frozenset({"cut", "error", "abort", "aborted", "cancelled", "insufficient_system_resource"})
_WORDS = {
    429: ("rate_limit", "rate limit", "too many requests", "throttl", "resource_exhausted"),
    402: ("insufficient_quota", "insufficient balance", "billing", "credit"),
    401: ("invalid_api_key", "authentication", "unauthorized", "incorrect api key"),
    503: ("overloaded", "server_error", "unavailable", "internal", "timeout", "timed out", "upstream"),
}


class NoCompletion(Exception):
    """The reply is neither a chat completion nor an error that says why; the message says what it is."""


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """What a body says of a failure. `status` is the one it names itself, if any."""

    message: str
    status: int | None = None
    param: str | None = None
    code: str | None = None
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """Tokens as the endpoint counted them, both at least 0."""

    prompt: int
    completion: int


@dataclass(frozen=True, slots=True)
class ChatReply:
    """The part of a chat completion that is used.

    `problem` says why `text` is not an answer although it may look like one; None where it may be read.
    `usage` is None where the endpoint counted nothing, or nothing that a count could be.
    """

    text: str
    is_cut_off: bool = False
    problem: str | None = None
    usage: TokenCounts | None = None
    fingerprint: str = ""


def read_reply(document: Any) -> ChatReply | ErrorBody:
    """The completion in a reply with status 200, or the error that some servers send with it.

    :raises NoCompletion: it is neither.
    """
    if not isinstance(document, dict):
        raise NoCompletion(f"the reply is no chat completion: it is {_kind(document)}")
    choices = document.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, dict):
        error = read_error(document)
        if error is not None:
            return error
        raise NoCompletion(f"the reply is no chat completion: `choices` is {_kind(choices)}")
    inner = choice.get("error") or document.get("error")
    message = choice.get("message")
    if not isinstance(message, dict):
        if inner:
            return read_error({"error": inner}) or ErrorBody(_shown(inner))
        if not isinstance(choice.get("text"), str):
            raise NoCompletion(f"the reply is no chat completion: `message` is {_kind(message)}")
        message = {"content": choice["text"]}
    text, problem = _said(message)
    if inner and not text:
        return read_error({"error": inner}) or ErrorBody(_shown(inner))
    finish = str(choice.get("finish_reason") or "").strip().lower()
    if finish in BROKEN_OFF:
        problem = f"the endpoint broke the answer off (finish_reason {finish!r})"
    elif finish not in FINISHED | CUT_OFF:
        problem = f"the endpoint ended the answer with finish_reason {finish[:40]!r}, which is no regular end"
    return ChatReply(
        text=text.encode("utf-8", "replace").decode(),
        is_cut_off=finish in CUT_OFF,
        problem=problem,
        usage=_usage(document.get("usage")),
        fingerprint=str(document.get("system_fingerprint") or ""),
    )


def read_error(document: Any) -> ErrorBody | None:
    """The error that a body tells of; None where it tells of none.

    What a server echoes of the request (as FastAPI does in `detail[].input`) is not part of the message: it
    names every parameter that was sent.
    """
    if isinstance(document, list) and document:
        return read_error(document[0])
    if isinstance(document, str):
        return ErrorBody(document[:MAX_MESSAGE]) if document.strip() else None
    if not isinstance(document, dict):
        return None
    for key in ("error", "errors", "detail"):
        inner = document.get(key)
        if not inner:
            continue
        if isinstance(inner, str):
            return _error(inner, document)
        if isinstance(inner, list):
            lines = [line for part in inner[:5] if (line := _line(part))]
            return _error("; ".join(lines) or _shown(inner), document)
        if isinstance(inner, dict):
            return _error(_line(inner) or _shown(inner), inner)
    base = document.get("base_resp")
    if isinstance(base, dict) and base.get("status_code"):
        return _error(str(base.get("status_msg") or _shown(base)), {"code": base["status_code"]})
    message = _line(document)
    return _error(message, document) if message else None


def read_error_body(body: bytes) -> ErrorBody:
    """The error of a reply whose status says that it is one, whatever its body is."""
    try:
        document = loads(body)
    except NotJson:
        text = " ".join(body.decode("utf-8", "replace").split())
        return ErrorBody(text[:MAX_MESSAGE] or "no reason given")
    return read_error(document) or ErrorBody(_shown(document))


def _error(message: str, fields: Mapping[str, Any]) -> ErrorBody:
    code, kind, param = (fields.get(key) for key in ("code", "type", "param"))
    metadata = fields.get("metadata")
    status = _status(code) or _status(fields.get("status"))
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    if isinstance(raw, str):
        message = f"{message}: {raw}"
    named = " ".join(str(part) for part in (code, kind, fields.get("status"), message) if part).lower()
    if status is None:
        status = next((s for s, words in _WORDS.items() if any(word in named for word in words)), None)
    wait = _wait(fields) if _wait(fields) is not None else _wait(metadata)
    return ErrorBody(
        message[:MAX_MESSAGE],
        status,
        param if isinstance(param, str) else None,
        code if isinstance(code, str) else kind if isinstance(kind, str) else None,
        wait,
    )


def _line(part: Any) -> str:
    """One sentence of an error, without what it echoes."""
    if isinstance(part, str):
        return part
    if not isinstance(part, dict):
        return ""
    where = part.get("loc")
    place = ".".join(str(p) for p in where if p != "body") if isinstance(where, list) else ""
    for key in ("message", "msg", "reason", "description"):
        if isinstance(part.get(key), str) and part[key].strip():
            return f"{place}: {part[key]}" if place else str(part[key])
        if isinstance(part.get(key), dict):
            return _line(part[key])
    inner = part.get("error")
    return _line(inner) if isinstance(inner, dict) else inner if isinstance(inner, str) else ""


def _status(value: Any) -> int | None:
    if isinstance(value, str) and re.fullmatch(r"[45]\d\d", value.strip()):
        value = int(value)
    is_status = isinstance(value, int) and not isinstance(value, bool) and HTTP_ERROR <= value < 600
    return value if is_status else None


def _wait(fields: Any) -> float | None:
    """Seconds that a body asks to wait, where it does."""
    if not isinstance(fields, dict):
        return None
    for key in ("retry_after", "retry_after_seconds", "retryDelay"):
        found = re.fullmatch(r"\s*(\d{1,9}(?:\.\d+)?)\s*s?\s*", str(fields.get(key)))
        if found:
            return float(found[1])
    details = fields.get("details")
    waits = [_wait(detail) for detail in details] if isinstance(details, list) else []
    return next((wait for wait in waits if wait is not None), None)


def _said(message: Mapping[str, Any]) -> tuple[str, str | None]:
    """The answer in a message, and why there is none."""
    content = message.get("content")
    if isinstance(content, list):
        content = "".join(_part(part) for part in content)
    if isinstance(content, dict):
        content = json.dumps(content)
    if content is not None and not isinstance(content, str):
        raise NoCompletion(f"the reply is no chat completion: `content` is {_kind(content)}")
    if content and content.strip():
        return content, None
    arguments = _arguments(message)
    if arguments:
        return arguments, None
    refusal = message.get("refusal")
    if isinstance(refusal, str) and refusal.strip():
        return refusal, None
    if isinstance(message.get("parsed"), dict):
        return json.dumps(message["parsed"]), None
    thought = next(
        (
            t
            for key in ("reasoning_content", "reasoning", "thinking")
            if isinstance(t := message.get(key), str)
        ),
        "",
    )
    if _is_one_object(thought):
        # A server that takes a whole answer for reasoning (a parser set up for another model): no draft, for
        # nothing stands around it.
        return thought, None
    calls = message.get("tool_calls")
    if isinstance(calls, list) and calls:
        return "", f"the model called {len(calls)} tools instead of answering, and none was offered"
    if thought:
        return "", (
            f"the model gave {len(thought):,} characters of reasoning and no answer: raise `llm.max_tokens`, "
            "or switch thinking off (`llm.reasoning_effort`, `llm.extra_body`)"
        )
    return "", "the model gave an empty answer"


def _part(part: Any) -> str:
    """The text of one part of a content list; thinking and the like are none."""
    if isinstance(part, str):
        return part
    if not isinstance(part, dict) or part.get("type", "text") not in ("text", "output_text"):
        return ""
    text = part.get("text")
    return text if isinstance(text, str) else ""


def _arguments(message: Mapping[str, Any]) -> str:
    """The arguments of the one function that a model called with its answer; empty where there is none."""
    calls = message.get("tool_calls")
    only = calls[0] if isinstance(calls, list) and len(calls) == 1 else None
    function = only.get("function") if isinstance(only, dict) else message.get("function_call")
    arguments = function.get("arguments") if isinstance(function, dict) else None
    if isinstance(arguments, dict):
        return json.dumps(arguments)
    return arguments if isinstance(arguments, str) else ""


def _is_one_object(text: str) -> bool:
    text = text.strip()
    if not text.startswith("{"):
        return False
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _usage(value: Any) -> TokenCounts | None:
    if not isinstance(value, dict):
        return None
    prompt, completion = (
        _count(value.get(key, value.get(other)))
        for key, other in (("prompt_tokens", "input_tokens"), ("completion_tokens", "output_tokens"))
    )
    return None if prompt is None or completion is None else TokenCounts(prompt, completion)


def _count(value: Any) -> int | None:
    """A count of tokens: a whole number of at least 0, also as a float or in a string."""
    if isinstance(value, str) and re.fullmatch(r"\d{1,18}", value):
        return int(value)
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    if value == []:
        return "an empty list"
    return names.get(type(value), "a number")


def _shown(value: Any) -> str:
    return json.dumps(value)[:MAX_SHOWN]
