"""What a prompt is tried on: recorded decisions with a known outcome, split by time."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from agent_market.agents.prompts.belief_history import LOOK_BACK
from agent_market.config import DecisionSettings
from agent_market.outcomes import expected_std, held_depth, scaled_reward, still_holds
from agent_market.records import AgentView, Episode, Outcome


@dataclass(frozen=True, slots=True)
class TuningCase:
    """One recorded decision: the question as it was put, and what came of it.

    `deviation` is the standard deviation that the market's return was expected to have over the horizon,
    `before` the decisions on the same pair before this one, newest first, as far as agents are shown them.
    """

    episode: Episode
    outcome: Outcome
    deviation: float
    before: tuple[Episode, ...] = ()

    @property
    def id(self) -> str:
        return self.episode.id

    @property
    def asof(self) -> datetime:
        return self.episode.view.asof

    @property
    def normalised_return(self) -> float:
        """What the market did, in expected deviations."""
        return self.outcome.market_return / self.deviation

    def reward(self, view: AgentView, settings: DecisionSettings) -> float:
        """Return x depth less costs, in units of what Hedge learns from, in [-1, 1]; 0 for an abstention.

        Only the change from what the agent held after the decision before is charged, as Hedge does.
        """
        if view.abstains:
            return 0.0
        last = self.before[0] if self.before else None
        if last is not None and not still_holds(last, self.asof, settings):
            last = None
        held = held_depth(view.agent, last)
        return scaled_reward(self.outcome, view.depth, self.deviation, settings, held)


@dataclass(frozen=True, slots=True)
class Split:
    """Cases by time. Every outcome of `training` was known when the first case of `validation` came up."""

    training: tuple[TuningCase, ...]
    validation: tuple[TuningCase, ...]
    boundary: datetime | None


def tuning_cases(
    episodes: Iterable[Episode], role: str, settings: DecisionSettings
) -> tuple[TuningCase, ...]:
    """The decisions that `role` took part in and whose outcome is known, in the order of (asof, pair)."""
    found = []
    before: dict[str, deque[Episode]] = defaultdict(lambda: deque(maxlen=LOOK_BACK))
    for episode in sorted(episodes, key=lambda e: (e.view.asof, e.view.pair)):
        earlier = before[episode.view.pair]
        deviation = expected_std(episode.view, settings.horizon_candles)
        if episode.outcome and deviation and any(view.agent == role for view in episode.views):
            found.append(TuningCase(episode, episode.outcome, deviation, tuple(earlier)))
        earlier.appendleft(episode)
    return tuple(found)


def split_by_time(cases: Sequence[TuningCase], validation: float) -> Split:
    """The newest share `validation` of the cases, and those before it whose outcome was known by then.

    Decisions of one moment stay together, and outcomes that reach into the validation span are left out of
    training (purging; Lopez de Prado 2018, chapter 7).

    :param cases: in order of time.
    :param validation: share in (0, 1).
    """
    if not cases:
        return Split((), (), None)
    first = min(len(cases) - math.floor(len(cases) * validation), len(cases) - 1)
    boundary = cases[first].asof
    return Split(
        training=tuple(c for c in cases if c.asof < boundary and c.outcome.known_at <= boundary),
        validation=tuple(c for c in cases if c.asof >= boundary),
        boundary=boundary,
    )


def moments(cases: Sequence[TuningCase]) -> npt.NDArray[np.int64]:
    """(n,) times of the cases, in seconds since the epoch."""
    return np.array([int(case.asof.timestamp()) for case in cases], dtype=np.int64)


def overlapping_moments(cases: Sequence[TuningCase]) -> int:
    """How many different moments fall within one horizon, on average: the outcomes of these overlap."""
    times = np.unique(moments(cases))
    if len(times) < 2:
        return 1
    horizon = max((case.episode.due - case.asof for case in cases), default=timedelta(0)).total_seconds()
    gap = float(times[-1] - times[0]) / (len(times) - 1)
    return max(math.ceil(horizon / gap), 1)
