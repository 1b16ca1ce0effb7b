"""Every way of deciding that is compared: one row of the table each.

A contender gives positions at every moment of the test spans, each decided on what was known by then: online
weightings walk the whole panel, learned ones are fitted anew for each fold on what was known before it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from agent_market.decision.labels import ONLINE
from agent_market.decision.replay import Walk, fused
from agent_market.evaluation.context import CASH, HEDGE, HOLD, UNIFORM, EvaluatedStrategy, EvaluationContext
from agent_market.evaluation.learned import net_contenders, stacking_contenders
from agent_market.utils.arrays import Floats


def contenders() -> tuple[EvaluatedStrategy, ...]:
    """All of them, in the order of the table."""
    return (*_references(), *_online(), *stacking_contenders(), *net_contenders())


def _references() -> tuple[EvaluatedStrategy, ...]:
    return (
        EvaluatedStrategy(CASH, "reference", lambda arena, _: np.zeros(arena.panel.returns.shape)),
        EvaluatedStrategy(HOLD, "reference", lambda arena, _: np.ones(arena.panel.returns.shape)),
    )


_NAMES: Mapping[str, str] = {**ONLINE, "uniform": UNIFORM, "hedge": HEDGE}


def _online() -> tuple[EvaluatedStrategy, ...]:
    plain = [_weighted(label, name) for name, label in _NAMES.items()]
    cash = [
        _weighted(f"{_NAMES[n]} + cash", n, cash=True)
        for n in ("hedge", "adahedge", "ml_poly", "boa", "newton")
    ]
    more = [
        _weighted("AdaHedge + cash + mirrors", "adahedge", cash=True, mirrors=True),
        _weighted("AdaHedge + cash, per pair", "adahedge", cash=True, pooled=False),
        _weighted("AdaHedge + cash, per regime", "adahedge", cash=True, per_regime=True),
    ]
    return (*plain, *cash, *more)


def _weighted(
    label: str,
    weighting: str,
    cash: bool = False,
    mirrors: bool = False,
    pooled: bool = True,
    per_regime: bool = False,
) -> EvaluatedStrategy:
    def positions(arena: EvaluationContext, seed: int) -> Floats:
        how = Walk(pooled, per_regime, arena.cost, arena.settings.reward_scale)
        return fused(arena.seated(cash, mirrors), arena.weights(weighting, how, cash, mirrors))

    return EvaluatedStrategy(label, "online", positions)
