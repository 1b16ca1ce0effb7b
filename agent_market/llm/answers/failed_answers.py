"""What a recording holds beside answers: where none came, and where money was too short for a debate.

Replay repeats both, or it would ask for what was never said. To record again is to try again: what is said
then takes their place.
"""

from __future__ import annotations

import hashlib
import time

import orjson
from pydantic import BaseModel

from agent_market.errors import BudgetExhausted, ModelUnavailable
from agent_market.llm.answers.request import Request
from agent_market.store.answers import AnswerRow

_BEGINS = b'{"absent"'
_TIGHT = b'{"tight":true}'
_NOT_TIGHT = b'{"tight":false}'


class _Absence(BaseModel):
    absent: str
    budget: bool


def is_absence(response: bytes) -> bool:
    """Whether a stored response says that none came."""
    return response.startswith(_BEGINS)


def absence_row(request: Request, error: ModelUnavailable) -> AnswerRow:
    """A request that got no answer, with the cause. The prompt itself is not kept."""
    absence = _Absence(absent=str(error), budget=isinstance(error, BudgetExhausted))
    return _row(request.key, request.role, request.model, orjson.dumps(absence.model_dump()))


def absence(response: bytes) -> ModelUnavailable:
    """Why no answer came, as it was met.

    :raises ValidationError: the response is damaged.
    """
    absence = _Absence.model_validate_json(response)
    return BudgetExhausted(absence.absent) if absence.budget else ModelUnavailable(absence.absent)


def tightness_key(decision: str) -> str:
    """Where a recording says whether its budget was tight at a decision."""
    return hashlib.sha256(f"budget at\n{decision}".encode()).hexdigest()


def tightness_row(decision: str, model: str, tight: bool) -> AnswerRow:
    """Whether the budget was tight at a decision that called for a debate."""
    return _row(tightness_key(decision), "budget", model, _TIGHT if tight else _NOT_TIGHT)


def was_tight(response: bytes) -> bool:
    """What `tightness_row` holds."""
    return response == _TIGHT


def _row(key: str, role: str, model: str, response: bytes) -> AnswerRow:
    return AnswerRow(
        key=key,
        role=role,
        model=model,
        request=b"{}",
        response=response,
        prompt_tokens=0,
        completion_tokens=0,
        latency_s=0.0,
        created_at=int(time.time()),
    )
