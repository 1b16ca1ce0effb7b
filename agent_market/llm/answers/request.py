"""A request to a model and its content address.

The body is the JSON that is sent, byte for byte in a fixed order; `key = sha256(body)`. It covers the
model, every message, the sampling parameters and the answer schema, so any change of those, and of
nothing else, asks again. The endpoint's address is not part of it: moving a model keeps its answers.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from agent_market.config import LLMSettings
from agent_market.errors import PromptLeak
from agent_market.llm.answers.schemas import VIEW, Form

# Stands where the user message goes while the constant parts of a body are rendered once.
_HOLE = "\u0001agent-market-user-message\u0001"


class Guard(Protocol):
    """What reads a prompt before it leaves."""

    def leak(self, system: str, user: str) -> str | None:
        """What in these messages must not be sent, in words for a log; None when they may go."""
        ...


class RequestForm:
    """The constant part of one role's requests: rendered and hashed once, filled for each decision."""

    __slots__ = ("_additions", "_digest", "_head", "_tail", "answer", "model", "role", "system")

    def __init__(self, role: str, system: str, llm: LLMSettings, answer: Form = VIEW) -> None:
        """
        :param system: the role's system message.
        :param answer: what is asked for, and how it is read.
        """
        self.role = role
        self.system = system
        self.answer = answer
        self.model = llm.model
        body = orjson.dumps(
            {
                "model": llm.model,
                "temperature": llm.temperature,
                "seed": llm.seed,
                "max_tokens": llm.max_tokens,
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": answer.name, "strict": True, "schema": answer.schema},
                },
                "messages": [
                    {"role": "system", "content": system},
                    {"role": "user", "content": _HOLE},
                ],
            }
            | llm.additions()
        )
        # The hole is in the last message, so the last occurrence is it, whatever a prompt contains.
        self._additions = frozenset(llm.additions())
        self._head, _, self._tail = body.rpartition(orjson.dumps(_HOLE))
        self._digest = hashlib.sha256(self._head)

    def fill(self, user: str, guard: Guard | None = None) -> Request:
        """The request with this user message; `guard` reads it before it is sent, if it ever is."""
        digest = self._digest.copy()
        digest.update(orjson.dumps(user))
        digest.update(self._tail)
        return Request(digest.hexdigest(), self, user, guard)

    def body(self, user: str) -> bytes:
        """The JSON of the request with this user message."""
        return self._head + orjson.dumps(user) + self._tail


@dataclass(frozen=True, slots=True)
class Request:
    """One request: its content address, the constant part, the user message, and who reads it first."""

    key: str
    form: RequestForm
    user: str
    guard: Guard | None = None

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

    def leak(self) -> PromptLeak | None:
        """Why this request must not be sent; None when it may."""
        found = None if self.guard is None else self.guard.leak(self.form.system, self.user)
        return None if found is None else PromptLeak(f"the prompt of agent {self.role} holds {found}")

    def payload(self) -> dict[str, Any]:
        """The body as arguments of a chat completion."""
        payload: dict[str, Any] = orjson.loads(self.body)
        return payload

    def common_payload(self) -> dict[str, Any]:
        """`payload` without what is meant for the request's own endpoint alone (`extra_body`)."""
        return {key: value for key, value in self.payload().items() if key not in self.form._additions}
