"""What was learned decides only where it proved itself: else the prior does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agent_market.decision.trainers.base import DecisionDataset, Policy
from agent_market.stats.promotion import LEVEL, Verdict, judge
from agent_market.utils.arrays import Floats


@dataclass(frozen=True, slots=True)
class PriorPolicy:
    """Hold the mean depth by the prior's weights: what a net starts from and falls back to."""

    def positions(self, problem: DecisionDataset) -> Floats:
        return (problem.prior.astype(np.float64) * problem.depth).sum(-1)


def earned(problem: DecisionDataset, position: Floats) -> Floats:
    """(T, P) money in expected deviations, after costs."""
    change = np.abs(np.diff(position, axis=0, prepend=np.zeros_like(position[:1])))
    return problem.gain * position - problem.cost * change


def gated(
    candidate: Policy, incumbent: Policy, span: DecisionDataset, *, trials: float = 1.0, level: float = LEVEL
) -> tuple[Policy, Verdict]:
    """The candidate, if its lead over the incumbent on a later span is proven; else the incumbent.

    :param span: decisions after all that the candidate was fitted and stopped on.
    :param trials: effective number of candidates that this one is the best of.
    """
    lead = earned(span, candidate.positions(span)) - earned(span, incumbent.positions(span))
    moments = np.repeat(np.arange(len(span)), lead.shape[1])
    verdict = judge(lead.ravel(), trials, moments, level=level)
    return (candidate if verdict.promoted else incumbent), verdict
