"""What earlier rounds left for this one, as far as it was known before this round's proof begins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from agent_market.agents.prompts.feedback import FeedbackBook
from agent_market.config import AgentMarketSettings
from agent_market.errors import ConfigError, DataError, ExpressionError
from agent_market.factors.mining.files import (
    EXPRESSIONS_FILE,
    FEATURES_FILE,
    Expressions,
    Features,
    read_expressions,
    read_features,
    utc,
)
from agent_market.factors.mining.records import Earlier, Failure, Span
from agent_market.factors.panel import Array
from agent_market.factors.parse import parse_factor
from agent_market.factors.tree import Tree

SHOWN_ROUNDS = 3

File = TypeVar("File", Expressions, Features)


@dataclass(frozen=True, slots=True, eq=False)
class Before:
    """The round before: its pool and scores, failures, lessons, and the pool that is in force.

    Everything in it was known by the start of the span that this round is proven on.
    """

    earlier: tuple[Earlier, ...] = ()
    failures: tuple[Failure, ...] = ()
    lessons: tuple[str, ...] = ()
    held: tuple[Tree, ...] = ()
    held_weights: Array | None = None
    warnings: tuple[str, ...] = ()


def before(user_data: Path, settings: AgentMarketSettings, promote_span: Span) -> Before:
    """Read what may be used; what is broken, or known too late, is left out and reported in `warnings`."""
    warnings: list[str] = []
    found = _usable(lambda: read_expressions(user_data), EXPRESSIONS_FILE, promote_span, warnings)
    held = _usable(lambda: read_features(user_data), FEATURES_FILE, promote_span, warnings)
    trees: list[Tree] = []
    weights: list[float] = []
    for feature in held.factors if held else ():
        try:
            trees.append(parse_factor(feature.expression))
            weights.append(feature.weight)
        except ExpressionError as error:
            warnings.append(f"{FEATURES_FILE}: {feature.name} is left out: {error}")
    lessons = (*(found.lessons if found else ()), *_feedback(user_data, settings, promote_span, warnings))
    return Before(
        earlier=tuple(
            Earlier(f.expression, f.rationale, _number(f.scores.rank_ic), _number(f.later.rank_ic), f.weight)
            for f in (found.factors if found else ())
        ),
        failures=tuple(
            Failure("earlier", f.expression, f.problem) for f in (found.failures if found else ())
        ),
        lessons=lessons,
        held=tuple(trees),
        held_weights=np.array(weights),
        warnings=tuple(warnings),
    )


def _usable(
    read: Callable[[], File | None], name: str, promote_span: Span, warnings: list[str]
) -> File | None:
    try:
        found = read()
    except DataError as error:
        warnings.append(f"goes on without it: {error}")
        return None
    if found is not None and found.known_at > promote_span.start:
        warnings.append(
            f"{name} is not used: it was chosen on data up to {utc(found.known_at)}, and this search is "
            f"proven from {utc(promote_span.start)} on"
        )
        return None
    return found


def _feedback(
    user_data: Path, settings: AgentMarketSettings, promote_span: Span, warnings: list[str]
) -> tuple[str, ...]:
    """Lines of `feedback.jsonl` that were known by then."""
    file = settings.agents.feedback_file
    if file is None:
        return ()
    try:
        return FeedbackBook.load(user_data / file, SHOWN_ROUNDS).at(promote_span.start)
    except ConfigError as error:
        warnings.append(f"goes on without it: {error}")
        return ()


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
