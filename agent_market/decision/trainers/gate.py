"""The promotion test: use a trained policy only if it beats the incumbent out of sample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agent_market.decision.trainers.base import DecisionDataset, Policy
from agent_market.stats.promotion import LEVEL, Verdict, judge
from agent_market.utils.arrays import Floats


@dataclass(frozen=True, slots=True)
class PriorPolicy:
    """Hold the mean depth by the prior weights: the start of every net, and its fallback."""

    def positions(self, problem: DecisionDataset) -> Floats:
        return (problem.prior.astype(np.float64) * problem.depth).sum(-1)


def earned(problem: DecisionDataset, position: Floats) -> Floats:
    """Compute the money of positions, (T, P), in expected deviations, after costs.

    :param position: (T, P) in [-1, 1]; flat before the first.
    """
    change = np.abs(np.diff(position, axis=0, prepend=np.zeros_like(position[:1])))
    return problem.gain * position - problem.cost * change


def gated(
    candidate: Policy, incumbent: Policy, span: DecisionDataset, *, trials: float = 1.0, level: float = LEVEL
) -> tuple[Policy, Verdict]:
    """Return the candidate if its lead over the incumbent on a later span is significant, else the incumbent.

    :param span: decisions after every one that the candidate was fitted or stopped on.
    :param trials: effective number of candidates of which this one is the best; corrects the p-value.
    :param level: significance level, in (0, 1).
    """
    lead = earned(span, candidate.positions(span)) - earned(span, incumbent.positions(span))
    moments = np.repeat(np.arange(len(span)), lead.shape[1])
    verdict = judge(lead.ravel(), trials, moments, level=level)
    return (candidate if verdict.promoted else incumbent), verdict
