"""One world at one cost, and what a contender in it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from agent_market.config import DecisionSettings
from agent_market.decision.experts import WEIGHTINGS
from agent_market.decision.experts.virtual_experts import MIRROR
from agent_market.decision.panel import DecisionPanel
from agent_market.decision.replay import Walk, replay
from agent_market.stats.validation import Fold
from agent_market.utils.arrays import Floats, Ints

PRIOR = "adahedge"
"""The weighting that the nets begin as and fall back to, over agents and cash, where no other is named."""

Kind = Literal["reference", "online", "stacking", "net"]


@dataclass
class EvaluationContext:
    """One world at one cost: the panel, its folds, and what several contenders share (computed once).

    `cost` is of one unit of turnover, one side, as a fraction. `gates` says of each gated contender in how
    many of its fits it was let through.
    """

    panel: DecisionPanel
    folds: tuple[Fold, ...]
    cost: float
    settings: DecisionSettings = field(default_factory=DecisionSettings)
    effort: float = 1.0
    gates: dict[str, list[bool]] = field(default_factory=dict)
    _shared: dict[object, Any] = field(default_factory=dict, repr=False)

    @property
    def test(self) -> Ints:
        """Rows of all test spans, in order."""
        return np.concatenate([fold.test for fold in self.folds])

    def seated(self, cash: bool = False, mirrors: bool = False) -> DecisionPanel:
        """The panel with the experts that are not agents."""
        panel = with_mirrors(self.panel) if mirrors else self.panel
        return panel.with_cash() if cash else panel

    def weights(
        self, weighting: str, how: Walk | None = None, cash: bool = False, mirrors: bool = False
    ) -> Floats:
        """(T, P, N) of an online weighting over the whole panel."""
        chosen = how or Walk(cost=self.cost, scale=self.settings.reward_scale)
        found: Floats = self.once(
            ("weights", weighting, chosen, cash, mirrors),
            lambda: replay(
                self.seated(cash, mirrors), lambda names: WEIGHTINGS[weighting](names, self.settings), chosen
            ),
        )
        return found

    def once(self, key: object, make: Callable[[], Any]) -> Any:
        """What `make` gives, made at the first call with this key."""
        if key not in self._shared:
            self._shared[key] = make()
        return self._shared[key]


@dataclass(frozen=True, slots=True)
class EvaluatedStrategy:
    """`positions(arena, seed)` gives (T, P) in [-1, 1]; only rows of test spans are read."""

    name: str
    kind: Kind
    positions: Callable[[EvaluationContext, int], Floats]
    seeded: bool = False


CASH = "cash"
HOLD = "buy and hold"
UNIFORM = "uniform"
HEDGE = "hedge"
WEIGHT_NET = "weight net"
TWO_STAGE = "two-stage"


def with_mirrors(panel: DecisionPanel) -> DecisionPanel:
    """The panel with the opposite of each expert as an expert of its own."""
    return replace(
        panel,
        experts=(*panel.experts, *(MIRROR + name for name in panel.experts)),
        depth=np.concatenate([panel.depth, -panel.depth], axis=2),
        confidence=np.concatenate([panel.confidence, panel.confidence], axis=2),
    )
