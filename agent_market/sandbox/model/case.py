"""What a prompt holds for the rules to read: the JSON block of the user's message.

    ```json
    {"schema": "agent-market/2", "step": ..., "role": ..., "temperament": {...}, "features": {...},
     "context": {...}, "regime": ..., "recall": {...}, "views": [...], "abstained": [...],
     "feedback": [...], "debate": [...]}
    ```

Nothing outside of the block is read but the directives of the system prompt. Anything in the block that is
absent, of the wrong type or not finite is treated as absent: a rule then has one term less to go by.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from agent_market.sandbox.model.directives import NONE, Directives

# Beyond this no signal changes any more; the limit keeps quotients of two numbers finite.
_HUGE = 1e9

_BLOCK = re.compile(r"```json\s*\n(.*?)```", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Recalled:
    """Outcomes of similar past moments: how many, mean and standard deviation of their returns."""

    n: int
    mean: float
    std: float


@dataclass(frozen=True, slots=True)
class Voice:
    """Another agent's view: `depth` in [-10, 10], `confidence` in [0, 1]."""

    agent: str
    depth: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a debate: who spoke at which step, where the speaker stood, and computed numbers."""

    agent: str
    step: str
    depth: float | None = None
    confidence: float | None = None
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Case:
    """The numbers of one prompt. `features`, `context` and `temperament` hold finite floats only."""

    role: str = ""
    features: Mapping[str, float] = field(default_factory=dict)
    context: Mapping[str, float] = field(default_factory=dict)
    regime: str = "unknown"
    recall: Recalled | None = None
    voices: tuple[Voice, ...] = ()
    silent: int = 0
    """How many agents hold no opinion: those that abstained, and views of confidence 0."""
    feedback: tuple[str, ...] = ()
    step: str = "view"
    temperament: Mapping[str, float] = field(default_factory=dict)
    debate: tuple[Turn, ...] = ()
    directives: Directives = NONE
    """What the system prompt asks for (`directives`); the only thing that is read outside of the block."""


def read_case(user_texts: Sequence[str]) -> Case | None:
    """The newest message's last block that parses and has `features` or `views`; None without one.

    :param user_texts: the texts of the user messages, in order.
    """
    for text in reversed(user_texts):
        blocks = _BLOCK.findall(text) or [text]
        for block in reversed(blocks):
            raw = _parse(block)
            if raw is not None:
                return case_of(raw)
    return None


def case_of(raw: Mapping[str, Any]) -> Case:
    """The block as a record."""
    views = _list(raw.get("views"))
    voices = tuple(voice for voice in map(_voice, views) if voice is not None)
    return Case(
        role=_text(raw.get("role")).strip().lower(),
        features=_numbers(raw.get("features")),
        context=_numbers(raw.get("context")),
        regime=_text(raw.get("regime")).strip().lower() or "unknown",
        recall=_recalled(raw.get("recall")),
        voices=voices,
        silent=len(views) - len(voices) + len(_list(raw.get("abstained"))),
        feedback=tuple(_lines(_list(raw.get("feedback")))),
        step=_text(raw.get("step")).strip().lower() or "view",
        temperament=_numbers(raw.get("temperament")),
        debate=tuple(_turn(turn) for turn in _list(raw.get("debate")) if isinstance(turn, dict)),
    )


def _parse(block: str) -> dict[str, Any] | None:
    try:
        raw = orjson.loads(block)
    except orjson.JSONDecodeError:
        return None
    return raw if isinstance(raw, dict) and ("features" in raw or "views" in raw) else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return min(max(float(value), -_HUGE), _HUGE)


def _numbers(raw: Any) -> dict[str, float]:
    if not isinstance(raw, dict):
        return {}
    return {name: number for name, value in raw.items() if (number := _number(value)) is not None}


def _recalled(raw: Any) -> Recalled | None:
    numbers = _numbers(raw)
    try:
        return Recalled(int(numbers["n"]), numbers["mean_return"], numbers["std_return"])
    except KeyError:
        return None


def _voice(raw: Any) -> Voice | None:
    numbers = _numbers(raw)
    if "depth" not in numbers or numbers.get("confidence", 0.0) <= 0 or raw.get("abstained_because"):
        return None
    return Voice(
        agent=_text(raw.get("agent")).strip().lower(),
        depth=min(max(numbers["depth"], -10.0), 10.0),
        confidence=min(numbers["confidence"], 1.0),
    )


def _turn(raw: dict[str, Any]) -> Turn:
    numbers = _numbers(raw)
    depth, confidence = numbers.get("depth"), numbers.get("confidence")
    return Turn(
        agent=_text(raw.get("agent")).strip().lower(),
        step=_text(raw.get("step")).strip().lower(),
        depth=None if depth is None else min(max(depth, -10.0), 10.0),
        confidence=None if confidence is None else min(max(confidence, 0.0), 1.0),
        numbers=_numbers(raw.get("numbers")),
    )


def _lines(entries: Iterable[Any]) -> Iterable[str]:
    for entry in entries:
        if isinstance(entry, str):
            yield entry
        elif isinstance(entry, dict):
            yield from _lines(_list(entry.get("lines")))


def _list(raw: Any) -> list[Any]:
    return raw if isinstance(raw, list) else []


def _text(raw: Any) -> str:
    return raw if isinstance(raw, str) else ""
