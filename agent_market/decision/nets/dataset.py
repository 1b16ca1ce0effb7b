"""Build the nets' training set from the decision log: known outcomes, and the prior weights at each decision.

The same decisions always give the same arrays: an outcome counts only if it was known at the newest decision
of the log, because by then the loop has written it, in a backtest, live, and after a restart.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from agent_market.config import CostSettings, DecisionSettings
from agent_market.decision.learner import WeightLearner
from agent_market.decision.nets.inputs import Seen, SeenArrays, arrays_of
from agent_market.features.features import VOLATILITY_FLOOR
from agent_market.outcomes import expected_std
from agent_market.records import Episode

LARGEST_GAIN = 8.0
"""Expected deviations to which a gain is clipped: one extreme period must not dominate training."""


@dataclass(frozen=True, slots=True)
class DecisionLog:
    """T decisions of one pair with known outcomes, in order of time.

    `gain` (T,): return of a long position until the next decision, in expected deviations of the horizon;
    `cost` (T,): of one unit of turnover, in the same; `times`, `known_at` (T,): seconds.
    """

    experts: tuple[str, ...]
    seen: SeenArrays
    gain: npt.NDArray[np.float32]
    cost: npt.NDArray[np.float32]
    times: npt.NDArray[np.int64]
    known_at: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.times)


def decision_log(
    episodes: Sequence[Episode],
    experts: Sequence[str],
    moment: datetime,
    settings: DecisionSettings,
    costs: CostSettings,
) -> DecisionLog:
    """Build the training set of one pair as of `moment`.

    If a horizon reaches beyond the next decision, its return is scaled by the share of the horizon that the
    position is held for, so that overlapping horizons do not count a move twice.

    :param episodes: of one pair, in order of `asof`; later ones, and outcomes not yet known, are left out.
    :param experts: names of the N experts, in the order of the arrays.
    """
    made = [e for e in episodes if e.view.asof <= moment]
    newest = made[-1].view.asof if made else moment
    priors = _priors(made, experts, settings)
    rows = [i for i, e in enumerate(made) if _known(e, newest) and _deviation(e, settings) is not None]
    rows = rows[-settings.nets.most_outcomes :]
    seen = [Seen(made[i].views, priors[i], made[i].view, made[i].recall) for i in rows]
    gains, charges, known = [], [], []
    for i in rows:
        episode, outcome = made[i], made[i].outcome
        sigma = _deviation(episode, settings)
        assert outcome is not None, "rows are those with an outcome"
        assert sigma is not None, "and with an expected deviation"
        share = _held_share(episode, made[i + 1].view.asof if i + 1 < len(made) else episode.due)
        gains.append(share * outcome.market_return / sigma)
        charges.append(costs.side / sigma)
        known.append(int(outcome.known_at.timestamp()))
    return DecisionLog(
        experts=tuple(experts),
        seen=arrays_of(seen, experts, settings),
        gain=np.clip(np.array(gains, dtype=np.float32), -LARGEST_GAIN, LARGEST_GAIN),
        cost=np.array(charges, dtype=np.float32),
        times=np.array([int(made[i].view.asof.timestamp()) for i in rows], dtype=np.int64),
        known_at=np.array(known, dtype=np.int64),
    )


def _priors(
    made: Sequence[Episode], experts: Sequence[str], settings: DecisionSettings
) -> list[dict[str, float]]:
    """Recompute the prior weights at each decision with the learner that gave them then."""
    learner = WeightLearner(experts, settings)
    settled = sorted(
        (e for e in made if e.outcome is not None),
        key=lambda e: (e.outcome.known_at if e.outcome else e.due, e.view.asof),
    )
    known = [e.outcome.known_at for e in settled if e.outcome]
    priors = []
    for episode in made:
        by_then = tuple(settled[: bisect_right(known, episode.view.asof)])
        awake = {v.agent: v.depth for v in episode.views if not v.abstains}
        priors.append(learner.weights(by_then, awake, episode.view.regime))
    return priors


def _known(episode: Episode, by: datetime) -> bool:
    return episode.outcome is not None and episode.outcome.known_at <= by


def _deviation(episode: Episode, settings: DecisionSettings) -> float | None:
    """Expected deviation of the return over the horizon, at least that of `VOLATILITY_FLOOR`."""
    deviation = expected_std(episode.view, settings.horizon_candles)
    return None if deviation is None else max(deviation, VOLATILITY_FLOOR * settings.horizon_candles**0.5)


def _held_share(episode: Episode, until: datetime) -> float:
    horizon = (episode.due - episode.view.asof).total_seconds()
    return min(1.0, (until - episode.view.asof).total_seconds() / horizon)
