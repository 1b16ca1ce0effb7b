"""Create a weighting by its name, and keep one per regime."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from agent_market.config import DecisionSettings
from agent_market.decision.experts.base import Weighting
from agent_market.decision.experts.exponential import AdaHedge, FixedShare
from agent_market.decision.experts.newton import OnlineNewton
from agent_market.decision.experts.second_order import BOA, MLPoly
from agent_market.decision.experts.simple import FollowTheLeader, Majority, Uniform
from agent_market.decision.hedge import Hedge

WEIGHTINGS: Mapping[str, Callable[[Sequence[str], DecisionSettings], Weighting]] = {
    "uniform": lambda experts, _: Uniform(experts),
    "majority": lambda experts, _: Majority(experts),
    "leader": lambda experts, _: FollowTheLeader(experts),
    "hedge": lambda experts, settings: Hedge(experts, settings.learning_rate),
    "adahedge": lambda experts, _: AdaHedge(experts),
    "fixed_share": lambda experts, settings: FixedShare(experts, settings.learning_rate),
    "ml_poly": lambda experts, _: MLPoly(experts),
    "boa": lambda experts, _: BOA(experts),
    "newton": lambda experts, _: OnlineNewton(experts),
}
"""Online weightings by name: values of `decision.weighting` (besides the nets) and `decision.nets.prior`."""


def make_weighting(experts: Sequence[str], settings: DecisionSettings) -> Weighting:
    """Create the online weighting that the settings name, before it has learned anything.

    :param experts: names of one or more experts, each once; weights come back by these names.
    :param settings: `weighting` chooses the algorithm; with learned nets, `nets.prior` does.
    :raises ValueError: an expert is named twice, or there is none.
    """
    name = settings.nets.prior if settings.has_nets else settings.weighting
    return WEIGHTINGS[name](experts, settings)


class ByRegime:
    """One weighting per regime, each learning only from decisions made in it.

    If `split` is False, one for all.
    """

    def __init__(self, make: Callable[[], Weighting], split: bool) -> None:
        self._make = make
        self._split = split
        self._parts: dict[str, Weighting] = {}

    def at(self, regime: str) -> Weighting:
        """Return the weighting of a regime; a new, untrained one on first use."""
        key = regime if self._split else ""
        if key not in self._parts:
            self._parts[key] = self._make()
        return self._parts[key]
