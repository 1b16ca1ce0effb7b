"""Contenders through one world's folds to returns, in one process or several."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from freqtrade.exchange import timeframe_to_seconds
from joblib import Parallel, delayed

from agent_market.costs import turnover
from agent_market.decision.panel import DecisionPanel, money
from agent_market.errors import DataError
from agent_market.evaluation.context import EvaluatedStrategy, EvaluationContext
from agent_market.evaluation.panel_builder import Grid, build_panel
from agent_market.evaluation.plan import DAY_S, Plan
from agent_market.evaluation.strategies import contenders
from agent_market.stats.validation import Fold, walk_forward
from agent_market.utils.arrays import Floats

Tell = Callable[[str], None]


def quietly(line: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Played:
    """What contenders made with one seed: returns and turnover (T,) of the capital, and what gates said."""

    made: Mapping[str, tuple[Floats, Floats]]
    gates: Mapping[str, Sequence[bool]]


def panel_of(candles: Mapping[str, pd.DataFrame], plan: Plan, delay: int) -> DecisionPanel:
    """The plan's decisions on these candles, filled `delay` candles late."""
    return build_panel(candles, Grid(timeframe_to_seconds(plan.timeframe), plan.every, delay))


def folds_of(panel: DecisionPanel, plan: Plan) -> tuple[Fold, ...]:
    """The plan's walk through a panel: expanding, purged, embargoed.

    :raises DataError: nothing is left to test on after the first training span.
    """
    days = (int(panel.times[-1]) - int(panel.times[0])) / DAY_S if len(panel.times) else 0.0
    if days < plan.first_train_days:
        raise DataError(
            f"too few candles: decisions of {days:.0f} days before the {plan.holdout_days} of the holdout, "
            f"and the first training alone takes {plan.first_train_days}; give candles of more days"
        )
    begin = int(panel.times[0]) + plan.first_train_days * DAY_S
    known = panel.known_at.max(axis=1)
    return tuple(walk_forward(panel.times, known, begin, plan.step_days * DAY_S, plan.embargo_days * DAY_S))


def play(arena: EvaluationContext, seed: int, unseeded: bool) -> Played:
    """Every contender that the seed changes, and the others too if `unseeded`."""
    chosen = [c for c in contenders() if c.seeded or unseeded]
    made = {c.name: _made(arena, c, seed) for c in chosen}
    return Played(made, dict(arena.gates))


def _made(arena: EvaluationContext, contender: EvaluatedStrategy, seed: int) -> tuple[Floats, Floats]:
    position = contender.positions(arena, seed)[arena.test]
    returns = money(arena.panel.rows(arena.test), position, arena.cost)
    return returns.mean(axis=1), turnover(position).mean(axis=1)


def spread(
    work: Callable[..., Any], tasks: Iterable[tuple[Any, ...]], names: Sequence[str], jobs: int, tell: Tell
) -> list[Any]:
    """What `work` gives for each task, in their order; each is told when it is done."""
    found = []
    results = Parallel(n_jobs=jobs, return_as="generator")(delayed(work)(*task) for task in tasks)
    for name, one in zip(names, results, strict=True):
        found.append(one)
        tell(f"{name}: {len(found)} of {len(names)} done")
    return found
