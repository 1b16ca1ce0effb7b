"""What an LLM agent must answer at each step, and how free text becomes that or an error; never a default.

Rules, deliberately narrow where money is meant and wide where it is not:
* Numbers must be JSON numbers within range. Numbers in strings, NaN, infinities and percentages are
  refused, for guessing what a model meant is a decision nobody made.
* `horizon` and `invalidation` may be missing or null (many small models drop them): not said. A level on
  the wrong side of `depth` proves nothing wrong, and counts as not said.
* In a view, `belief` and `reasons` may be missing; where a step is about words, the words must be there.
  Text that is too long is cut.
* Keys that the schema does not have are ignored; a key given twice is refused as ambiguous.
* Text around the object, code fences and a leading <think> passage are tolerated: what counts is the
  text from the first `{` to the last `}`, which must be exactly one object.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent_market.errors import AnswerInvalid
from agent_market.records import DEPTH_LIMIT, Ruling

MAX_TEXT = 65_536
MAX_BELIEF = 2_000
MAX_REASONS = 8
MAX_REASON = 400
MAX_HORIZON = 10_000
OBJECTIONS = 5

Words = Annotated[str, Field(min_length=1)]
Lines = tuple[str, ...]
Depth = Annotated[float, Field(ge=-DEPTH_LIMIT, le=DEPTH_LIMIT)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Return = Annotated[float, Field(ge=-1.0, le=10.0)]


class Said(BaseModel):
    """Base of every answer: what a step asks for, all numbers finite and in range."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, allow_inf_nan=False)

    def clipped(self) -> Self:
        """The same with texts and lists cut to their limits; every text of it is stored like that."""
        cut = {name: _clipped(value) for name, value in self}
        return self.model_copy(update={name: value for name, value in cut.items() if value is not None})


class Answer(Said):
    """A view: `depth` in [-10, 10] and `confidence` in [0, 1]; text may be empty.

    `horizon` is in candles, `invalidation` a return from now; None = not said.
    """

    depth: Depth
    confidence: Share
    belief: str = ""
    reasons: Lines = ()
    horizon: Annotated[int, Field(ge=1, le=MAX_HORIZON)] | None = None
    invalidation: Return | None = None

    @property
    def level(self) -> float | None:
        """`invalidation` where it lies against `depth`: below 0 for a long, above 0 for a short."""
        level = self.invalidation
        return level if level is not None and level * self.depth < 0 else None


class Belief(Said):
    """The first of two steps: an outlook in words, before any number is asked for."""

    belief: Words
    reasons: Lines = ()


class Proposal(Answer):
    """What the proposer puts forward, with the return that it expects over its horizon."""

    expected_return: Return


class Objections(Said):
    """Exactly five objections, and where the critic itself stands."""

    objections: Annotated[tuple[Words, ...], Field(min_length=OBJECTIONS, max_length=OBJECTIONS)]
    depth: Depth
    confidence: Share


class Rebuttal(Said):
    """An answer to the other side, and where the speaker stands after it."""

    rebuttal: Words
    depth: Depth
    confidence: Share


class Judgement(Said):
    """The judge's ruling, with a confidence from 0 to 100; `depth` counts where it adjusts."""

    ruling: Ruling
    confidence: Annotated[int, Field(ge=0, le=100)]
    depth: Depth
    reasons: Lines = ()


@dataclass(frozen=True, slots=True)
class Form:
    """One kind of answer: its name, the type that validates it, and the JSON schema that is sent."""

    name: str
    type: type[Said]
    schema: dict[str, Any]


def _form(name: str, kind: type[Said], **properties: dict[str, Any]) -> Form:
    # Endpoints that constrain decoding write the keys in this order: words come before numbers.
    schema = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    return Form(name, kind, schema)


_BELIEF = {"type": "string", "description": "outlook, drivers, and what would prove it wrong"}
_REASONS = {"type": "array", "items": {"type": "string"}, "description": "one to five, short"}
_DEPTH = {"type": "number", "minimum": -DEPTH_LIMIT, "maximum": DEPTH_LIMIT}
_CONFIDENCE = {"type": "number", "minimum": 0.0, "maximum": 1.0}
_HORIZON = {"type": ["integer", "null"], "minimum": 1, "maximum": MAX_HORIZON, "description": "candles"}
_INVALIDATION = {
    "type": ["number", "null"],
    "minimum": -1.0,
    "maximum": 10.0,
    "description": "return from now that proves it wrong",
}
_NUMBERS = {
    "depth": _DEPTH,
    "confidence": _CONFIDENCE,
    "horizon": _HORIZON,
    "invalidation": _INVALIDATION,
}

VIEW = _form("agent_view", Answer, belief=_BELIEF, reasons=_REASONS, **_NUMBERS)
"""Belief and decision in one call."""

BELIEF = _form("agent_belief", Belief, belief=_BELIEF, reasons=_REASONS)
DECISION = _form("agent_decision", Answer, **_NUMBERS)
"""Belief and decision in two calls."""

PROPOSAL = _form(
    "proposal",
    Proposal,
    belief=_BELIEF,
    reasons=_REASONS,
    expected_return={"type": "number", "minimum": -1.0, "maximum": 10.0},
    **_NUMBERS,
)
OBJECTION = _form(
    "objections",
    Objections,
    objections={
        "type": "array",
        "items": {"type": "string"},
        "minItems": OBJECTIONS,
        "maxItems": OBJECTIONS,
    },
    depth=_DEPTH,
    confidence=_CONFIDENCE,
)
REBUTTAL = _form("rebuttal", Rebuttal, rebuttal={"type": "string"}, depth=_DEPTH, confidence=_CONFIDENCE)
JUDGEMENT = _form(
    "ruling",
    Judgement,
    reasons=_REASONS,
    ruling={"type": "string", "enum": ["execute", "adjust", "abandon"]},
    confidence={"type": "integer", "minimum": 0, "maximum": 100},
    depth=_DEPTH,
)
"""The steps of a full debate."""

FORMS = (VIEW, BELIEF, DECISION, PROPOSAL, OBJECTION, REBUTTAL, JUDGEMENT)
ANSWER_SCHEMA = VIEW.schema


def parse_answer(text: str) -> Answer:
    """The view in a model's text; see `parse`."""
    answer = parse(VIEW, text)
    assert isinstance(answer, Answer)
    return answer


def parse(form: Form, text: str) -> Said:
    """The answer of this form in a model's text.

    :raises AnswerInvalid: with the cause and the beginning of the text; the only exception for any text.
    """
    if len(text) > MAX_TEXT:
        raise AnswerInvalid(f"answer of {len(text)} characters is longer than {MAX_TEXT}")
    candidate = _outermost_object(text)
    try:
        json.loads(candidate, object_pairs_hook=_refuse_duplicates)
        return form.type.model_validate_json(candidate).clipped()
    except ValidationError as error:
        raise AnswerInvalid(f"{_problems(error)} in {_excerpt(candidate)}") from error
    except (ValueError, RecursionError) as error:
        raise AnswerInvalid(f"no valid JSON object ({error}) in {_excerpt(text)}") from error


def _clipped(value: object) -> object:
    """`value` cut to its limit, where it is text or a list of texts; None for a number."""
    if isinstance(value, str):
        return value[:MAX_BELIEF]
    if isinstance(value, tuple):
        return tuple(line[:MAX_REASON] for line in value[:MAX_REASONS])
    return None


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
