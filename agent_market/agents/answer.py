"""What an LLM agent must answer, and how free text becomes that or an error; never a default opinion.

Rules, deliberately narrow where money is meant and wide where it is not:
* `depth` and `confidence` must be JSON numbers within range. Numbers in strings, NaN, infinities and
  percentages are refused, for guessing what a model meant is a decision nobody made.
* `belief` and `reasons` may be missing (many small models drop them) and are clipped when too long.
* Keys that the schema does not have are ignored; a key given twice is refused as ambiguous.
* Text around the object, code fences and a leading <think> passage are tolerated: what counts is the
  text from the first `{` to the last `}`, which must be exactly one object.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent_market.errors import AnswerInvalid
from agent_market.records import DEPTH_LIMIT

MAX_TEXT = 65_536
MAX_BELIEF = 2_000
MAX_REASONS = 8
MAX_REASON = 400


class Answer(BaseModel):
    """A valid answer: `depth` in [-10, 10], `confidence` in [0, 1], both finite; text may be empty."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, allow_inf_nan=False)

    depth: float = Field(ge=-DEPTH_LIMIT, le=DEPTH_LIMIT)
    confidence: float = Field(ge=0.0, le=1.0)
    belief: str = ""
    reasons: tuple[str, ...] = ()


ANSWER_SCHEMA: dict[str, Any] = {
    "type": "object",
    # Endpoints that constrain decoding write the keys in this order: the belief comes before the number.
    "properties": {
        "belief": {"type": "string", "description": "outlook, drivers, and what would prove it wrong"},
        "reasons": {"type": "array", "items": {"type": "string"}, "description": "one to five, short"},
        "depth": {"type": "number", "minimum": -DEPTH_LIMIT, "maximum": DEPTH_LIMIT},
        "confidence": {"type": "number", "minimum": 0.0, "maximum": 1.0},
    },
    "required": ["belief", "reasons", "depth", "confidence"],
    "additionalProperties": False,
}
"""JSON schema of an answer, as sent to the endpoint."""


def parse_answer(text: str) -> Answer:
    """The answer in a model's text.

    :raises AnswerInvalid: with the cause and the beginning of the text; the only exception for any text.
    """
    if len(text) > MAX_TEXT:
        raise AnswerInvalid(f"answer of {len(text)} characters is longer than {MAX_TEXT}")
    candidate = _outermost_object(text)
    try:
        json.loads(candidate, object_pairs_hook=_refuse_duplicates)
        answer = Answer.model_validate_json(candidate)
    except ValidationError as error:
        raise AnswerInvalid(f"{_problems(error)} in {_excerpt(candidate)}") from error
    except (ValueError, RecursionError) as error:
        raise AnswerInvalid(f"no valid JSON object ({error}) in {_excerpt(text)}") from error
    return Answer(
        depth=answer.depth,
        confidence=answer.confidence,
        belief=answer.belief[:MAX_BELIEF],
        reasons=tuple(reason[:MAX_REASON] for reason in answer.reasons[:MAX_REASONS]),
    )


def _outermost_object(text: str) -> str:
    said = text.rpartition("</think>")[2]
    start, end = said.find("{"), said.rfind("}")
    if start < 0 or end < start:
        raise AnswerInvalid(f"no JSON object in {_excerpt(text)}")
    return said[start : end + 1]


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is given twice")
    return found


def _problems(error: ValidationError) -> str:
    parts = [f"{'.'.join(map(str, p['loc'])) or 'answer'}: {p['msg']}" for p in error.errors()[:3]]
    return "; ".join(parts)


def _excerpt(text: str) -> str:
    return repr(text[:120]) + ("..." if len(text) > 120 else "")
