"""What an LLM agent must answer at each step, and how free text becomes that or an error; never a default.

Rules, deliberately narrow where money is meant and wide where it is not:
* Numbers must be JSON numbers within range. Numbers in strings, NaN, infinities and percentages are
  refused, for guessing what a model meant would invent a decision.
* `horizon` and `invalidation` may be missing, null, out of range or no number at all (many small models
  drop or garble them): not said. A level on the wrong side of `depth` proves nothing wrong, and counts as
  not said. 12.0 is the whole number 12.
* In a view, `belief` and `reasons` may be missing or null; one reason may stand without its list. Where a
  step is about words, the words must be there. Text that is too long is cut.
* Keys that the schema does not have are ignored; a key given twice is refused as ambiguous.
* Text around the object, code fences and a leading <think> passage are tolerated: what counts is the
  text from the first `{` to the last `}`, which must be exactly one object. It may stand in another one,
  under the name of the form that was asked for.
* Thinking that does not end is refused with all that it holds: an object in it is a draft.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from agent_market.errors import AnswerInvalid
from agent_market.records import DEPTH_LIMIT, Ruling

MAX_TEXT = 65_536
MAX_BELIEF = 2_000
MAX_REASONS = 8
MAX_REASON = 400
MAX_HORIZON = 10_000
OBJECTIONS = 5


def _lines(value: object) -> object:
    """Reasons as a model may write them: none, one without a list, or a list with numbers in it."""
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,) if value.strip() else ()
    if isinstance(value, list | tuple):
        plain = [v for v in value if v is not None]
        return tuple(str(v) if isinstance(v, int | float) and not isinstance(v, bool) else v for v in plain)
    return value


def _whole(value: object) -> object:
    """12.0 as 12: JSON has one kind of number."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _horizon(value: object) -> object:
    whole = _whole(value)
    is_said = isinstance(whole, int) and not isinstance(whole, bool) and 1 <= whole <= MAX_HORIZON
    return whole if is_said else None


def _level(value: object) -> object:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return value if -1.0 <= value <= 10.0 else None


Words = Annotated[str, Field(min_length=1)]
Remark = Annotated[str, BeforeValidator(lambda value: "" if value is None else value)]
Lines = Annotated[tuple[str, ...], BeforeValidator(_lines)]
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
    belief: Remark = ""
    reasons: Lines = ()
    horizon: Annotated[int | None, BeforeValidator(_horizon)] = None
    invalidation: Annotated[float | None, BeforeValidator(_level)] = None

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
    confidence: Annotated[int, Field(ge=0, le=100), BeforeValidator(_whole)]
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
    candidate = _outermost_object(final_text(text))
    try:
        found = json.loads(candidate, object_pairs_hook=_refuse_duplicates)
        if set(found) == {form.name} and isinstance(found[form.name], dict):
            candidate = json.dumps(found[form.name])
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


def final_text(text: str) -> str:
    """What a model says after its thinking; all of `text` where it shows none.

    :raises AnswerInvalid: the thinking does not end, so that whatever it holds is a draft.
    """
    ends = [end.end() for end in _THINKING_ENDS.finditer(text)]
    said = text[ends[-1] :] if ends else text
    if _THINKING_BEGINS.match(said):
        raise AnswerInvalid(f"the thinking does not end, and what it holds is a draft: {_excerpt(said)}")
    return said


# Qwen, DeepSeek, Mistral, Kimi, Seed and gpt-oss (whose answer is the channel `final`) mark thinking so.
_NAMES = r"(?:think|thinking|thought|thoughts|reasoning|reflection|seed:think)"
_THINKING_ENDS = re.compile(
    rf"</{_NAMES}>|\[/THINK\]|◁/think▷|<\|end_of_thought\|>|<\|channel\|>\s*final\b[^<{{]*<\|message\|>",
    re.IGNORECASE,
)
_THINKING_BEGINS = re.compile(
    rf"\s*(?:<{_NAMES}>|\[THINK\]|◁think▷|<\|begin_of_thought\|>"
    r"|(?:<\|start\|>\s*assistant\s*)?<\|channel\|>\s*(?:analysis|commentary)\b)",
    re.IGNORECASE,
)


_FENCED = re.compile(r"```(?:json)?[ \t]*\n(.*?)\n[ \t]*```", re.DOTALL | re.IGNORECASE)
_OBJECT = re.compile(r'\{\s*[}"\']')


def _outermost_object(said: str) -> str:
    fenced = _FENCED.findall(said)
    if len(fenced) == 1 and not _OBJECT.search(said.replace(fenced[0], "")):
        # What braces stand outside of the only block are words ("{depth} follows the trend").
        said = fenced[0]
    start, end = said.find("{"), said.rfind("}")
    if start < 0 or end < start:
        raise AnswerInvalid(f"no JSON object in {_excerpt(said)}")
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
