"""What an OpenAI-compatible endpoint takes, learned from what it refuses.

Servers differ: some take no JSON schema or no `response_format` at all, newer OpenAI models want
`max_completion_tokens` and no temperature, some models answer only as a stream. The wish stays the same (and
with it the content address); only its wording adapts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

_OPTIONAL = ("temperature", "seed")
_NO_THINKING = re.compile(
    r"reasoning[_. ]effort|(does not|doesn't) support (thinking|reasoning)"
    r"|(thinking|reasoning) is not supported",
    re.IGNORECASE,
)
_FORMAT = re.compile(r"response[_ ]?format|json|structured|schema|grammar|guided", re.IGNORECASE)
_STREAM_ONLY = re.compile(
    r"non-?\s?stream|stream(ing)?[ _-](mode|only)|only\s+(supports?\s+)?stream|support\w*\s+only\s+stream"
    r"|stream\W{0,4}\s*(=|must|to|should|:)\W*\s*(be\s+)?(set\s+(to\s+)?)?\W*(true|enabled)|requires?\s+stream",
    re.IGNORECASE,
)


class Adaptation(NamedTuple):
    """Another wording, and whether the refusal named what it refuses: then it is the same next time."""

    dialect: RequestCompat
    is_named: bool


@dataclass(frozen=True, slots=True)
class RequestCompat:
    """One endpoint's dialect: how an answer's form is asked for, the token limit's name, what to omit."""

    form: Literal["json_schema", "json_object", "words"] = "json_schema"
    tokens_key: str = "max_tokens"
    omitted: frozenset[str] = frozenset()
    stream: bool = False
    stream_usage: bool = True

    def __str__(self) -> str:
        forms = {
            "json_schema": "a JSON schema",
            "json_object": "plain JSON mode",
            "words": "the prompt alone",
        }
        parts = [f"asked by {forms[self.form]}"]
        if self.tokens_key != "max_tokens":
            parts.append(f"with {self.tokens_key}")
        if self.omitted:
            parts.append(f"without {', '.join(sorted(self.omitted))}")
        if self.stream:
            parts.append("as a stream")
        return ", ".join(parts)

    def speak(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        """`payload`, a chat completion's arguments, in words that the endpoint takes."""
        spoken = {key: value for key, value in payload.items() if key not in self.omitted}
        if self.form == "json_object":
            spoken["response_format"] = {"type": "json_object"}
        elif self.form == "words":
            del spoken["response_format"]
        spoken[self.tokens_key] = spoken.pop("max_tokens")
        if self.stream:
            spoken["stream"] = True
            if self.stream_usage:
                spoken["stream_options"] = {"include_usage": True}
        return spoken

    def after_refusal(self, param: str | None, message: str) -> Adaptation | None:
        """What to try after HTTP 400 or 422 with this `param` and message; None when nothing is left."""
        if self.tokens_key == "max_tokens" and "max_completion_tokens" in message:
            return Adaptation(replace(self, tokens_key="max_completion_tokens"), True)
        if self.stream and self.stream_usage and "stream_options" in f"{param} {message}":
            return Adaptation(replace(self, stream_usage=False), True)
        if not self.stream and _STREAM_ONLY.search(message):
            return Adaptation(replace(self, stream=True), True)
        for name in _OPTIONAL:
            if name not in self.omitted and (param == name or re.search(rf"\b{name}\b", message)):
                return Adaptation(replace(self, omitted=self.omitted | {name}), True)
        effort = "reasoning_effort"
        if effort not in self.omitted and (param == effort or _NO_THINKING.search(message)):
            return Adaptation(replace(self, omitted=self.omitted | {effort}), True)
        # Many servers refuse a schema without naming it, so an unexplained refusal is tried in plainer modes.
        if self.form == "words":
            return None
        plainer: Literal["json_object", "words"] = "json_object" if self.form == "json_schema" else "words"
        return Adaptation(replace(self, form=plainer), bool(_FORMAT.search(f"{param} {message}")))
