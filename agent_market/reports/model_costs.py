"""Cost of the models behind the decisions, in stake currency: a trading cost like any fee.

Every decision carries the bill of its answers as they were recorded, so a replayed backtest, which paid
nothing, is charged what its answers cost when they were given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from agent_market.config import BudgetSettings
from agent_market.records import Episode
from agent_market.reports.equity import EquityCurve
from agent_market.stats.metrics import drawdown


@dataclass(frozen=True, slots=True)
class ModelCosts:
    """Bills of a run's decisions: `times` (UTC, ascending) and `amounts` in stake currency.

    `is_known` is False where a model has no price; what is in `amounts` then is only a part.
    """

    times: pd.DatetimeIndex
    amounts: np.ndarray
    is_known: bool = True
    calls: int = 0
    tokens: int = 0

    @property
    def total(self) -> float | None:
        """All of it in stake currency; None where a price is missing."""
        return float(self.amounts.sum()) if self.is_known else None


NO_MODELS = ModelCosts(pd.DatetimeIndex([], tz="UTC"), np.zeros(0))


def model_costs(episodes: Sequence[Episode], budget: BudgetSettings) -> ModelCosts:
    """The bills of `episodes`, at `budget.stake_per_unit` units of stake currency for one of the prices."""
    ordered = sorted(episodes, key=lambda episode: episode.view.asof)
    bills = [episode.usage for episode in ordered]
    return ModelCosts(
        times=pd.DatetimeIndex([e.view.asof for e in ordered], tz="UTC").as_unit("ns"),
        amounts=np.array([usage.cost or 0.0 for usage in bills]) * budget.stake_per_unit,
        is_known=all(usage.cost is not None for usage in bills),
        calls=sum(usage.calls for usage in bills),
        tokens=sum(usage.prompt_tokens + usage.completion_tokens for usage in bills),
    )


def less_models(curve: EquityCurve, costs: ModelCosts) -> EquityCurve:
    """`curve` with each bill paid at the close that was decided on; unchanged where a price is missing."""
    if not costs.is_known or not costs.amounts.any():
        return curve
    grid = pd.DatetimeIndex(curve.equity.index)
    paid = np.concatenate([[0.0], np.cumsum(costs.amounts)])
    equity = curve.equity - paid[costs.times.searchsorted(grid, side="right")]
    return replace(curve, equity=equity, drawdown=drawdown(equity))
