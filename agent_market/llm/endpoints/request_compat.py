"""What an OpenAI-compatible endpoint takes, learned from what it refuses.

Servers differ: some take no JSON schema, newer OpenAI models want `max_completion_tokens` and no
temperature. The wish stays the same (and with it the content address); only its wording adapts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

_OPTIONAL = ("temperature", "seed")


@dataclass(frozen=True, slots=True)
class RequestCompat:
    """One endpoint's dialect: JSON schema or plain JSON mode, the name of the token limit, what to omit."""

    json_schema: bool = True
    tokens_key: str = "max_tokens"
    omitted: frozenset[str] = frozenset()

    def speak(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        """`payload`, a chat completion's arguments, in words that the endpoint takes."""
        spoken = {key: value for key, value in payload.items() if key not in self.omitted}
        if not self.json_schema:
            spoken["response_format"] = {"type": "json_object"}
        spoken[self.tokens_key] = spoken.pop("max_tokens")
        return spoken

    def after_refusal(self, param: str | None, message: str) -> RequestCompat | None:
        """What to try after HTTP 400 or 422 with this `param` and message; None when nothing is left."""
        if self.tokens_key == "max_tokens" and "max_completion_tokens" in message:
            return replace(self, tokens_key="max_completion_tokens")
        for name in _OPTIONAL:
            if name not in self.omitted and (param == name or name in message):
                return replace(self, omitted=self.omitted | {name})
        # Many servers refuse a schema without naming it, so an unexplained refusal is tried in plain mode.
        return replace(self, json_schema=False) if self.json_schema else None
