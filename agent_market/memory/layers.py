"""The layers of memory, and what moves an episode between them.

| layer | what is in it | how long |
|---|---|---|
| working | decisions without outcome, and outcomes of the last `working_days` | until then |
| short | outcomes since | until promoted, or forgotten as importance decays (half-life 3 months) |
| long | what reached importance `promote_at` | for good |
| episodic | crashes and spikes, whatever their importance | for good |
| archive | what decayed to `forget_at`: in the store with everything, and no longer recalled | for good |

An episode is assessed when its outcome becomes known and at the start of every month (UTC) after that.
Months are those of the calendar, so that it does not matter when a run began.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from agent_market.config import LayerSettings
from agent_market.memory.importance import ImportanceEvidence
from agent_market.records import Layer, Outcome

DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Standing:
    """Memory state of one episode at a moment.

    `importance` is as of its last assessment, `retained` what decay has left of it by now; `judged` counts
    the decisions that recalled it and whose outcome is known, `helped` those that went its way.
    """

    episode_id: str
    asof: datetime
    layer: Layer
    importance: float
    retained: float
    evidence: ImportanceEvidence
    judged: int
    helped: int


def shock(outcome: Outcome, expected_std: float | None, deviations: float) -> str | None:
    """Why an outcome is a crash or a spike; None if it is neither, or nothing was expected."""
    if not expected_std:
        return None
    low, high = outcome.worst / expected_std, outcome.best / expected_std
    if -low >= deviations and -low >= high:
        return f"crash: a low of {low:.1f} expected deviations"
    if high >= deviations:
        return f"spike: a high of {high:+.1f} expected deviations"
    return None


def half_lives_s(settings: LayerSettings) -> npt.NDArray[np.float64]:
    """(5,) half-lives in seconds, in the order of `Layer`; archived episodes are not recalled."""
    days = (
        settings.working_days,
        settings.short_half_life_days,
        settings.long_half_life_days,
        settings.episodic_half_life_days,
        math.inf,
    )
    return np.array(days) * DAY_S


def month_after(at_s: int) -> int:
    """Start of the first calendar month (UTC) that begins after `at_s`."""
    at = datetime.fromtimestamp(at_s, UTC)
    year, month = divmod(at.year * 12 + at.month, 12)
    return int(datetime(year, month + 1, 1, tzinfo=UTC).timestamp())
