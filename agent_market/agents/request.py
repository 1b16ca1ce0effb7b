"""A request to a model and its content address.

The body is the JSON that is sent, byte for byte in a fixed order; `key = sha256(body)`. It covers the
model, every message, the sampling parameters and the answer schema, so any change of those, and of
nothing else, asks anew. The endpoint's address is no part of it: moving a model keeps its answers.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import orjson

from agent_market.agents.answer import ANSWER_SCHEMA
from agent_market.config import LLMSettings

# Stands where the user message goes while the constant parts of a body are rendered once.
_HOLE = "\u0001agent-market-user-message\u0001"


class RequestForm:
    """The constant part of one role's requests: rendered and hashed once, filled for each decision."""

    __slots__ = ("_digest", "_head", "_tail", "model", "role", "system")

    def __init__(self, role: str, system: str, llm: LLMSettings) -> None:
        """:param system: the role's system message."""
        self.role = role
        self.system = system
        self.model = llm.model
        body = orjson.dumps(
            {
                "model": llm.model,
                "temperature": llm.temperature,
                "seed": llm.seed,
                "max_tokens": llm.max_tokens,
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "agent_view", "strict": True, "schema": ANSWER_SCHEMA},
                },
                "messages": [
                    {"role": "system", "content": system},
                    {"role": "user", "content": _HOLE},
                ],
            }
        )
        # The hole is in the last message, so the last occurrence is it, whatever a prompt contains.
        self._head, _, self._tail = body.rpartition(orjson.dumps(_HOLE))
        self._digest = hashlib.sha256(self._head)

    def fill(self, user: str) -> Request:
        """The request with this user message."""
        digest = self._digest.copy()
        digest.update(orjson.dumps(user))
        digest.update(self._tail)
        return Request(digest.hexdigest(), self, user)

    def body(self, user: str) -> bytes:
        """The JSON of the request with this user message."""
        return self._head + orjson.dumps(user) + self._tail


@dataclass(frozen=True, slots=True)
class Request:
    """One request: its content address, the constant part, and the user message."""

    key: str
    form: RequestForm
    user: str

    @property
    def role(self) -> str:
        return self.form.role

    @property
    def model(self) -> str:
        return self.form.model

    @property
    def body(self) -> bytes:
        """The JSON that is sent and stored; `key` is its sha256."""
        return self.form.body(self.user)

    def payload(self) -> dict[str, Any]:
        """The body as arguments of a chat completion."""
        payload: dict[str, Any] = orjson.loads(self.body)
        return payload
