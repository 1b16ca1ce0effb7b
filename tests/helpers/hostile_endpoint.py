"""Replies of endpoints as they are met in the wild, by name, for a scripted server (`chat_server`).

`VIEWS[name](asked, n)` gives the reply to the n-th request (from 1). The answer of each is good, whatever
stands beside it; those of `CAUSES` end in an abstention, whose cause holds the words that stand with them.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any

from tests.helpers.chat_server import Asked, Said, refusal

GOOD = {
    "belief": "The trend is mildly up.",
    "reasons": ["trend"],
    "depth": 3.0,
    "confidence": 0.6,
    "horizon": 12,
    "invalidation": -0.02,
}
TEXT = json.dumps(GOOD)
DRAFT = json.dumps({**GOOD, "depth": 9.0})

Reply = Callable[[Asked, int], Said]


def envelope(content: Any = TEXT, finish: Any = "stop", usage: Any = "honest", **more: Any) -> Reply:
    """A completion; further fields go into the message. `usage` is counted from the request unless given."""

    def reply(asked: Asked, n: int) -> Said:
        counted: Any = usage
        if counted == "honest":
            counted = {"prompt_tokens": honest_count(asked), "completion_tokens": 60}
        message = {"role": "assistant", "content": content, **more}
        body = {"choices": [{"index": 0, "message": message, "finish_reason": finish}], "usage": counted}
        return Said(json.dumps(body).encode())

    return reply


def honest_count(asked: Asked) -> int:
    """A quarter of the bytes of the prompt, about what tokenizers make of it, and never fewer."""
    return sum(len(message["content"].encode()) for message in asked.body["messages"]) // 4


def view(**changes: Any) -> Reply:
    return envelope(json.dumps({**GOOD, **changes}))


def raw(body: bytes, **headers: str) -> Reply:
    return lambda asked, n: Said(body, headers={k.replace("_", "-"): v for k, v in headers.items()})


def failing(said: Said) -> Reply:
    return lambda asked, n: said


def first(failure: Said) -> Reply:
    """A failure of the first request; the later ones are answered."""
    return lambda asked, n: failure if n == 1 else envelope()(asked, n)


def error_in_200(error: Any, **more: Any) -> Said:
    return Said(json.dumps({"error": error, **more}).encode())


def only_if(accepts: Callable[[dict[str, Any]], bool], refused: Said) -> Reply:
    return lambda asked, n: envelope()(asked, n) if accepts(asked.body) else refused


def stream(*events: Any, end: bytes = b"data: [DONE]\n\n", newline: bytes = b"\n") -> Reply:
    lines = [e if isinstance(e, bytes) else b"data: " + json.dumps(e).encode() for e in events]
    body = b"".join(line + b"\n\n" for line in lines) + end
    return raw(body.replace(b"\n", newline), content_type="text/event-stream; charset=utf-8")


def chunk(content: str | None = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    delta = {"content": content, **more} if content is not None or more else {}
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def body_of(content: str = TEXT) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
    return json.dumps({"choices": [choice]}).encode()


def _streamed_only(asked: Asked, n: int) -> Said:
    if not asked.body.get("stream"):
        return refusal(400, "This model only supports streaming; set stream=true")
    return stream(*(chunk(TEXT[i : i + 7]) for i in range(0, len(TEXT), 7)), chunk(finish="stop"))(asked, n)


def _echo_422(asked: Asked, n: int) -> Said:
    if asked.body.get("response_format", {}).get("type") == "json_schema":
        detail = {"loc": ["body"], "msg": "json_schema is not enabled here", "input": asked.body}
        return Said(json.dumps({"detail": [detail]}).encode(), 422)
    return envelope()(asked, n)


def _has(*keys: str) -> Callable[[dict[str, Any]], bool]:
    return lambda body: not any(key in body for key in keys)


CALL = {"id": "t", "type": "function", "function": {"name": "agent_view", "arguments": TEXT}}

VIEWS: dict[str, Reply] = {
    # usage that is none
    "usage null": envelope(usage=None),
    "usage of nulls": envelope(usage={"prompt_tokens": None, "completion_tokens": None}),
    "usage negative": envelope(usage={"prompt_tokens": 812, "completion_tokens": -1}),
    "usage strings": envelope(usage={"prompt_tokens": "812", "completion_tokens": "60"}),
    "usage words": envelope(usage={"prompt_tokens": "many", "completion_tokens": "few"}),
    "usage floats": envelope(usage={"prompt_tokens": 812.0, "completion_tokens": 60.5}),
    "usage list": envelope(usage=[1, 2]),
    "usage text": envelope(usage="none"),
    "usage true": envelope(usage={"prompt_tokens": True, "completion_tokens": False}),
    "usage 1e30": envelope(usage={"prompt_tokens": 10**30, "completion_tokens": 10**30}),
    "usage 1e18": envelope(usage={"prompt_tokens": 10**18, "completion_tokens": 60}),
    "usage NaN": raw(body_of()[:-1] + b', "usage": {"prompt_tokens": NaN, "completion_tokens": Infinity}}'),
    "usage of 6000 digits": raw(body_of()[:-1] + b', "usage": {"prompt_tokens": ' + b"9" * 6_000 + b"}}"),
    "usage tiny": envelope(usage={"prompt_tokens": 3, "completion_tokens": 2}),
    # where the text is
    "reasoning only": envelope(None, reasoning_content=TEXT),
    "reasoning only, other name": envelope("", reasoning=TEXT),
    "tool call": envelope(None, "tool_calls", tool_calls=[CALL]),
    "tool call with an object": envelope(
        None, "tool_calls", tool_calls=[{"function": {"name": "agent_view", "arguments": GOOD}}]
    ),
    "function call": envelope(None, "function_call", function_call={"name": "f", "arguments": TEXT}),
    "parts": envelope([{"type": "text", "text": TEXT[:30]}, {"type": "text", "text": TEXT[30:]}]),
    "parts with thinking": envelope(
        [{"type": "thinking", "thinking": [{"type": "text", "text": DRAFT}]}, {"type": "text", "text": TEXT}]
    ),
    "content object": envelope(GOOD),
    "reasoning beside": envelope(TEXT, reasoning_content=f"A draft: {DRAFT}"),
    "finish null": envelope(finish=None),
    "finish STOP": envelope(finish="STOP"),
    "finish end_turn": envelope(finish="end_turn"),
    # what stands around it
    "think": envelope(f"<think>{DRAFT}? No.</think>\n{TEXT}"),
    "think without its beginning": envelope(f"{DRAFT}? No.</think>\n{TEXT}"),
    "thinking": envelope(f"<thinking>{DRAFT}</thinking>{TEXT}"),
    "THINK": envelope(f"[THINK]{DRAFT}[/THINK]{TEXT}"),
    "kimi": envelope(f"◁think▷{DRAFT}◁/think▷{TEXT}"),
    "harmony": envelope(
        f"<|channel|>analysis<|message|>We need {DRAFT}.<|end|><|start|>assistant"
        f"<|channel|>final<|message|>{TEXT}"
    ),
    "fence": envelope(f"```json\n{TEXT}\n```"),
    "fence and a note": envelope(f"```json\n{TEXT}\n```\nNote: {{depth}} follows the trend."),
    "named after the form": envelope(json.dumps({"agent_view": GOOD})),
    "keys of another language": view(Tiefe=-9, 信心=0.1, глубина="нет"),
    # what stands beside depth and confidence
    "reasons null": view(reasons=None),
    "reasons text": view(reasons="the trend is up"),
    "reasons of numbers": view(reasons=["up", 3, None]),
    "belief null": view(belief=None),
    "horizon 12.0": view(horizon=12.0),
    "horizon 12.5": view(horizon=12.5),
    "horizon text": view(horizon="12 candles"),
    "horizon 0": view(horizon=0),
    "horizon -3": view(horizon=-3),
    "horizon list": view(horizon=[12]),
    "horizon 1e30": view(horizon=10**30),
    "invalidation in percent": view(invalidation=-2.0),
    "invalidation text": view(invalidation="-2%"),
    # the bytes
    "byte order mark": raw(b"\xef\xbb\xbf" + body_of()),
    "zero byte behind": raw(body_of() + b"\n\x00\r\n"),
    "text/plain": raw(body_of(), content_type="text/plain"),
    "gzip": raw(gzip.compress(body_of()), content_encoding="gzip"),
    "deflate": raw(zlib.compress(body_of()), content_encoding="deflate"),
    "raw deflate": raw(zlib.compress(body_of())[2:-4], content_encoding="deflate"),
    # streams
    "stream": stream(chunk(TEXT[:20]), chunk(TEXT[20:]), chunk(finish="stop")),
    "stream with CR LF": stream(chunk(TEXT[:20]), chunk(TEXT[20:]), newline=b"\r\n"),
    "stream with comments": stream(b": ping", b"event: x\ndata: {}", chunk(TEXT), b"data: not json"),
    "stream without [DONE]": stream(chunk(TEXT), chunk(finish="stop"), end=b""),
    "stream without its last line": stream(
        chunk(TEXT), end=b"data: " + json.dumps(chunk(finish="stop")).encode()
    ),
    "stream with reasoning": stream(chunk(reasoning_content=DRAFT), chunk(TEXT), chunk(finish="stop")),
    "stream with usage": stream(
        chunk(TEXT),
        chunk(finish="stop"),
        {"choices": [], "usage": {"prompt_tokens": 2, "completion_tokens": 1}},
    ),
    "stream of a tool call": stream(
        chunk(tool_calls=[{"index": 0, "function": {"name": "agent_view", "arguments": TEXT[:9]}}]),
        chunk(tool_calls=[{"index": 0, "function": {"arguments": TEXT[9:]}}]),
        chunk(finish="tool_calls"),
    ),
    "stream named JSON": raw(b"data: " + json.dumps(chunk(TEXT, "stop")).encode() + b"\n\ndata: [DONE]\n\n"),
    # refusals that another wording or another try cures
    "no schema": only_if(
        lambda body: body.get("response_format", {}).get("type") != "json_schema",
        refusal(400, "Invalid parameter: response_format 'json_schema' is not supported"),
    ),
    "no JSON mode": only_if(
        _has("response_format"), refusal(400, "This model does not support Json Output.")
    ),
    "no format, unexplained": only_if(_has("response_format"), refusal(400, "Bad request")),
    "no seed": only_if(_has("seed"), refusal(422, "seed: extra fields not permitted")),
    "no reasoning effort": only_if(_has("reasoning_effort"), refusal(400, '"m" does not support thinking')),
    "stream only": _streamed_only,
    "stream or no thinking": only_if(
        lambda body: body.get("stream") is True,
        refusal(400, "parameter.enable_thinking must be set to false for non-streaming calls"),
    ),
    "request echoed": _echo_422,
    "error in 200": first(error_in_200({"message": "Provider returned error", "code": 429})),
    "error in 200 as text": first(error_in_200({"message": "slow down", "code": "rate_limit_exceeded"})),
    "error in 200 in a choice": first(
        Said(
            json.dumps(
                {"choices": [{"error": {"code": 502, "message": "x"}, "finish_reason": "error"}]}
            ).encode()
        )
    ),
    "error in 200 in a stream": lambda asked, n: (
        stream({"error": {"code": 503, "message": "overloaded"}}) if n == 1 else envelope()
    )(asked, n),
    "error as a list": first(
        Said(b'[{"error": {"code": 503, "status": "UNAVAILABLE", "message": "x"}}]', 503)
    ),
    "failed generation": first(refusal(400, "Failed to generate JSON.", code="json_validate_failed")),
    "request timeout": first(refusal(408, "too slow")),
}

CAUSES: dict[str, tuple[Reply, str]] = {
    # drafts
    "cut in thinking": (envelope(f"<think>A draft: {DRAFT} but wait", "length"), "cut off"),
    "cut with an answer": (envelope(DRAFT, "length"), "cut off"),
    "cut, other word": (envelope(DRAFT, "MAX_TOKENS"), "cut off"),
    "cut, third word": (envelope(DRAFT, "model_length"), "cut off"),
    "thinking without end": (envelope(f"<think>I would say {DRAFT}"), "does not end"),
    "thinking without end, other tag": (envelope(f"[THINK]I would say {DRAFT}"), "does not end"),
    "thinking begun twice": (envelope(f"<think>no</think> <think>{DRAFT}"), "does not end"),
    "analysis alone": (envelope(f"<|channel|>analysis<|message|>{DRAFT}"), "does not end"),
    "draft in reasoning": (envelope(None, reasoning_content=f"Maybe {DRAFT}."), "reasoning and no answer"),
    "two answers": (envelope(f"{DRAFT}\nOn reflection:\n{TEXT}"), "no valid JSON object"),
    "fence and another answer": (envelope(f"```json\n{DRAFT}\n```\nBetter: {TEXT}"), "no valid JSON object"),
    "two fences": (envelope(f"```json\n{DRAFT}\n```\n```json\n{TEXT}\n```"), "no valid JSON object"),
    "filtered": (envelope(DRAFT, "content_filter"), "content_filter"),
    "broken off": (envelope(DRAFT, "error"), "broke the answer off"),
    "stream cut": (stream(chunk(DRAFT), end=b""), "broke the answer off"),
    "stream cut in an event": (stream(chunk(DRAFT), end=b'data: {"choices": [{"del'), "broke the answer off"),
    # depth and confidence are never guessed
    "depth text": (view(depth="3"), "depth"),
    "depth NaN": (envelope(TEXT.replace("3.0", "NaN")), "depth"),
    "depth null": (view(depth=None), "depth"),
    "depth with a plus": (envelope(TEXT.replace("3.0", "+3.0")), "no valid JSON object"),
    "depth 11": (view(depth=11), "depth"),
    "depth twice": (envelope(TEXT.replace('"depth"', '"depth": 9.0, "depth"')), "given twice"),
    "confidence in percent": (view(confidence=60), "confidence"),
    "confidence text": (view(confidence="0.6"), "confidence"),
    "keys in capitals": (envelope(json.dumps({k.upper(): v for k, v in GOOD.items()})), "depth"),
    # no answer
    "empty": (envelope(""), "empty answer"),
    "null": (envelope(None), "empty answer"),
    "refusal": (envelope(None, refusal="I cannot give advice."), "I cannot give advice"),
    "two tools": (envelope(None, "tool_calls", tool_calls=[CALL, CALL]), "called 2 tools"),
    "content number": (envelope(5), "`content` is a number"),
    "page": (
        raw(b"<!doctype html><title>Just a moment...</title>", content_type="text/html"),
        "no chat completion",
    ),
    "two bodies": (raw(body_of() + body_of()), "no chat completion"),
    "brotli": (raw(b"\x0b\x02\x80", content_encoding="br"), "'br'"),
    "no gzip": (raw(b"not gzip", content_encoding="gzip"), "compression is broken"),
    "stream of nothing": (stream(), "the stream held no answer"),
    # refusals
    "key": (failing(refusal(401, "Incorrect API key provided")), "HTTP 401: Incorrect API key"),
    "money": (failing(refusal(402, "Insufficient Balance")), "HTTP 402: Insufficient Balance"),
    "key in 200": (failing(error_in_200({"message": "Invalid token", "code": 401})), "error 401"),
    "unknown in 200": (failing(error_in_200("no such model")), "no such model"),
    "too long": (failing(refusal(400, "maximum context length exceeded")), "maximum context length"),
    "elsewhere": (failing(Said(b"", 307, {"Location": "http://127.0.0.1:9/v1"})), "sends requests on to"),
}
