"""One chat completion: a pure function from the request's bytes and the fault that struck it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any

import orjson

from agent_market.sandbox.faults import BadAnswer, PromptInjection
from agent_market.sandbox.model.case import read_case
from agent_market.sandbox.model.catalog import FINGERPRINT
from agent_market.sandbox.model.directives import read_directives
from agent_market.sandbox.model.factoring import propose, read_factoring
from agent_market.sandbox.model.fitting import fit
from agent_market.sandbox.model.protocol import ChatRequest, read_chat
from agent_market.sandbox.model.rewriting import read_rewrite, rewrite
from agent_market.sandbox.model.rules import DISCLAIMER
from agent_market.sandbox.model.steps import say
from agent_market.sandbox.model.tokens import count_tokens, cut_to_tokens

NEEDS_NUMBERS = (
    f"{DISCLAIMER}: I am a rule set that reads numbers. Give them as one ```json block in the user message, "
    'with "features" or "views" (docs/reference/sandbox-model.md). Without it I have no opinion.'
)


@dataclass(frozen=True, slots=True)
class Completion:
    """The response body, and what it counts for."""

    body: bytes
    model: str
    prompt_tokens: int
    completion_tokens: int


def complete(
    body: bytes, fault: BadAnswer | None = None, believed: PromptInjection | None = None
) -> Completion:
    """Answer a request for `/v1/chat/completions`. The same bytes in give the same bytes out.

    :param believed: a planted headline that decides the opinion.

    Without a block of numbers the answer is text, or, where a schema was asked for, a `refusal`.

    :raises RequestRefused: the request cannot be served.
    """
    request = read_chat(body)
    said = _answer(request)
    if said is not None and believed is not None:
        said = _swayed(said, believed)
    refused = said is None and request.schema is not None
    if said is None:
        text = NEEDS_NUMBERS
    else:
        fitted = fit(said, request.schema)
        text = orjson.dumps(fitted).decode() if fault is None else _spoilt(fitted, fault)
    finish = "stop"
    if request.max_tokens is not None and count_tokens(text) > request.max_tokens:
        text, finish = cut_to_tokens(text, request.max_tokens), "length"
    prompt_tokens, completion_tokens = sum(map(count_tokens, request.texts)), count_tokens(text)
    message = {
        "role": "assistant",
        "content": None if refused else text,
        "refusal": text if refused else None,
    }
    response = {
        "id": f"chatcmpl-{blake2b(body, digest_size=12).hexdigest()}",
        "object": "chat.completion",
        "created": 0,
        "model": request.model,
        "system_fingerprint": FINGERPRINT,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        },
    }
    return Completion(orjson.dumps(response), request.model, prompt_tokens, completion_tokens)


def _answer(request: ChatRequest) -> dict[str, Any] | None:
    """The fields that the rules have to say; None where the request holds nothing that they can read."""
    asked = read_rewrite(request.user_texts)
    if asked is not None:
        return rewrite(asked)
    factors = read_factoring(request.user_texts)
    if factors is not None:
        return propose(factors)
    case = read_case(request.user_texts)
    return None if case is None else say(replace(case, directives=read_directives(request.system_texts)))


def _swayed(said: dict[str, Any], believed: PromptInjection) -> dict[str, Any]:
    """The same answer with the opinion that the headline leads to."""
    opinion: dict[str, Any] = {
        "depth": believed.depth,
        "confidence": believed.confidence * (100 if "ruling" in said else 1),
        "belief": f"{DISCLAIMER}, and made to believe a headline: {believed.text}"[:200],
        "invalidation": None,
    }
    return {name: opinion.get(name, value) for name, value in said.items()}


def _spoilt(fitted: dict[str, Any], fault: BadAnswer) -> str:
    match fault.style:
        case "prose":
            return "It depends on many things; on balance the market may go up or down. (injected fault)"
        case "truncated":
            text = orjson.dumps(fitted).decode()
            return text[: len(text) // 2]
        case "out_of_range":
            wild = {name: 1e6 if isinstance(value, float | int) else value for name, value in fitted.items()}
            return orjson.dumps(wild).decode()
