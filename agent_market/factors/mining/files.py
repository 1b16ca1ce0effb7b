"""The two files of a search, typed: what was found with its provenance, and what FreqAI is to load.

`user_data/llm_feedback/freqai_expressions.json` is the record of one search: the pool with every score, where
each factor came from, what failed, what was learned.  `freqai_features.json` holds what is in force.  Both
are written in one step, and hold no wall-clock time: the same search gives the same bytes.
"""

from __future__ import annotations

import json
import math
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from agent_market.errors import DataError, StoreError
from agent_market.utils.durable import replace_text

FOLDER = "llm_feedback"
EXPRESSIONS_FILE = "freqai_expressions.json"
FEATURES_FILE = "freqai_features.json"

EXPRESSIONS_SCHEMA: Literal["agent-market/expressions/1"] = "agent-market/expressions/1"
FEATURES_SCHEMA: Literal["agent-market/features/1"] = "agent-market/features/1"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class SpanEntry(_Model):
    """Closes from `start` to `end`, both included."""

    start: AwareDatetime
    end: AwareDatetime


class Scores(_Model):
    """What a factor showed on one span; see `scoring.scorer.FactorScore`. null where there is none."""

    rank_ic: float | None
    icir: float | None
    t: float | None
    times: int
    coverage: float
    time_ic: float | None
    half_life: float | None
    turnover: float | None
    gross: float | None
    net: float | None
    sharpe: float | None
    monotonicity: float | None
    direction: int
    decay: dict[str, float | None]
    by_year: dict[str, float | None]
    by_regime: dict[str, float | None]
    closest_in_pool: float


class TrialEntry(_Model):
    """The row of the trial ledger that this factor is."""

    study: str
    candidate: str
    sample: str


class FactorEntry(_Model):
    """One factor of the pool. `known_at` is the end of the newest data that chose it."""

    name: str
    hash: str
    expression: str
    proposer: str
    model: str | None
    rationale: str
    known_at: AwareDatetime
    trial: TrialEntry
    weight: float
    contribution: float
    novelty: float
    scores: Scores
    later: Scores


class FailureEntry(_Model):
    """A proposal that could not be scored."""

    proposer: str
    expression: str
    problem: str


class ArmEntry(_Model):
    """What one proposer did."""

    name: str
    asked: int
    proposals: int
    accepted: int
    retired: str | None


class VerdictEntry(_Model):
    """Figures of the promotion test; see `stats.promotion.Verdict`."""

    promoted: bool
    lead: float
    low: float
    high: float
    p_value: float
    deflated_p: float
    deflated_sharpe: float
    effective_trials: float
    level: float
    observations: int
    reason: str


class Expressions(_Model):
    """The whole record of one search."""

    schema_: Literal["agent-market/expressions/1"] = Field(alias="schema")
    run: str
    known_at: AwareDatetime
    version: str
    model: str | None
    seed: int
    timeframe_minutes: int
    pairs: tuple[str, ...]
    horizon: int
    span: SpanEntry
    promote_span: SpanEntry
    study: str
    tried: int
    trials: int
    effective_trials: float
    joint_ic: float | None
    joint_ic_later: float | None
    promoted: bool
    verdict: VerdictEntry | None
    proposers: tuple[ArmEntry, ...]
    factors: tuple[FactorEntry, ...]
    failures: tuple[FailureEntry, ...]
    lessons: tuple[str, ...]


class FeatureEntry(_Model):
    """One column that FreqAI is to have."""

    name: str
    expression: str
    hash: str
    known_at: AwareDatetime
    weight: float


class Features(_Model):
    """The factors in force. `proven` says whether they were promoted; `deflated_p` is their p-value."""

    schema_: Literal["agent-market/features/1"] = Field(alias="schema")
    run: str
    known_at: AwareDatetime
    proven: bool
    deflated_p: float | None
    timeframe_minutes: int
    horizon: int
    pairs: tuple[str, ...]
    factors: tuple[FeatureEntry, ...]


Kind = TypeVar("Kind", Expressions, Features)


def expressions_file(user_data: Path) -> Path:
    """Where the record of the newest search lies."""
    return user_data / FOLDER / EXPRESSIONS_FILE


def features_file(user_data: Path) -> Path:
    """Where the factors in force lie."""
    return user_data / FOLDER / FEATURES_FILE


def read_expressions(user_data: Path) -> Expressions | None:
    """The record of the newest search; None where there has been none.

    :raises DataError: the file is empty, broken, or of another kind.
    """
    return _read(expressions_file(user_data), Expressions)


def read_features(user_data: Path) -> Features | None:
    """What is in force; None where nothing is.

    :raises DataError: the file is empty, broken, or of another kind.
    """
    return _read(features_file(user_data), Features)


def write(content: Expressions | Features, user_data: Path) -> Path:
    """Write a file in one step: readers see the old one or the new one.

    :raises StoreError: the folder cannot be written.
    """
    file = (expressions_file if isinstance(content, Expressions) else features_file)(user_data)
    text = json.dumps(content.model_dump(mode="json", by_alias=True), indent=2, allow_nan=False) + "\n"
    try:
        replace_text(file, text)
    except OSError as error:
        raise StoreError(f"{file} cannot be written: {error}") from error
    return file


def finite(value: float) -> float | None:
    """JSON has no NaN and no infinity: both are null."""
    return float(value) if math.isfinite(value) else None


def utc(time: datetime) -> str:
    """A time as the files have it."""
    return f"{time:%Y-%m-%d %H:%M} UTC"


def _read(file: Path, kind: type[Kind]) -> Kind | None:
    try:
        packed = file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error}") from error
    if not packed.strip():
        raise DataError(f"{file} is empty; run `agent-market factors mine` again, or delete it")
    try:
        return kind.model_validate_json(packed)
    except ValidationError as error:
        raise DataError(
            f"{file} is not a factor record ({_problem(error)}); run `agent-market factors mine` again, or "
            "delete it"
        ) from error


def _problem(error: ValidationError) -> str:
    first: dict[str, Any] = dict(error.errors()[0])
    where = ".".join(map(str, first["loc"])) or "file"
    return f"{where}: {first['msg']}"
