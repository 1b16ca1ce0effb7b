"""Results before and after the model's knowledge cutoff: what it may have read about, and what it cannot.

A model that was trained on the news of a span can know how the span ended, whatever a prompt hides. So each
result is split at the end of the last day that any model of the config may know (`knowledge_cutoff` of its
row in `agent_market.budget.prices`), and where that is unknown, this is said. Only the part after the
cutoff is evidence about the future.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd

from agent_market.config import BudgetSettings, LLMSettings
from agent_market.records import Episode
from agent_market.reports.comparison import Comparison
from agent_market.reports.provenance import RULES_MODEL
from agent_market.reports.text import UNKNOWN, in_basis_points, listed, signed
from agent_market.runs.parts import Part
from agent_market.stats.metrics import daily_returns, sharpe
from agent_market.stats.uncertainty import MIN_DAYS, Interval, mean_difference


@dataclass(frozen=True, slots=True)
class Result:
    """A contender in one part: growth as a fraction, Sharpe ratio (None where not defined), and the agents'
    lead over it a day (None for the agents themselves)."""

    label: str
    part: Part
    total_return: float
    sharpe: float | None
    lead: Interval | None


@dataclass(frozen=True, slots=True)
class Era:
    """One side of the cutoff: its days, the decisions made in it, the share of them with a known outcome and
    a side that had the side right (None without one), and each contender's result."""

    name: str
    days: int
    decisions: int
    hit_rate: float | None
    results: tuple[Result, ...]


@dataclass(frozen=True, slots=True)
class KnowledgeSplit:
    """What is known about what the models knew, and the parts; none where there is nothing to split."""

    statement: str
    cutoff: date | None = None
    eras: tuple[Era, ...] = ()


def models_of(llm: LLMSettings) -> tuple[str, ...]:
    """Every model that may have answered: the fast tier, the deep one, and the fallbacks."""
    deep = () if llm.deep is None else (llm.deep.model,)
    return tuple(dict.fromkeys((llm.model, *deep, *(endpoint.model for endpoint in llm.fallbacks))))


def split_by_knowledge(
    comparison: Comparison,
    episodes: Sequence[Episode],
    llm: LLMSettings,
    budget: BudgetSettings,
    is_signed: bool = True,
) -> KnowledgeSplit:
    """The results up to the end of the models' last cutoff day, and after it.

    :param episodes: the decisions of the run.
    :param is_signed: whether answers under the rules' name are known to be theirs.
    """
    models = [model for model in models_of(llm) if model != RULES_MODEL or not is_signed]
    if not models:
        return KnowledgeSplit(
            "Knowledge cutoff: none. The model is a fixed set of rules, which has read nothing of any span."
        )
    known = {price.model: price.knowledge_cutoff for price in budget.prices}
    unknown = [model for model in models if known.get(model) is None]
    if unknown:
        return KnowledgeSplit(
            f"Knowledge cutoff of {listed(unknown, 'and')}: unknown. Any of these results may rest on what "
            "was read afterwards; say `knowledge_cutoff` in the model's row of `agent_market.budget.prices`."
        )
    cutoff = max(day for model in models if (day := known[model]) is not None)
    end = datetime(cutoff.year, cutoff.month, cutoff.day, tzinfo=UTC) + timedelta(days=1)
    eras = [
        era
        for name, is_after in ((f"up to {cutoff}", False), (f"after {cutoff}", True))
        if (era := _era(name, comparison, episodes, end, is_after)) is not None
    ]
    return KnowledgeSplit(_statement(models, cutoff, eras), cutoff, tuple(eras))


def lead_in_words(lead: Interval | None) -> str:
    """Mean and interval in basis points a day; a dash for the agents themselves."""
    if lead is None:
        return UNKNOWN
    mean = signed(in_basis_points(lead.mean))
    if lead.low is None or lead.high is None:
        return f"{mean} (n<{MIN_DAYS})"
    return f"{mean} [{in_basis_points(lead.low)}, {in_basis_points(lead.high)}]"


def _statement(models: Sequence[str], cutoff: date, eras: Sequence[Era]) -> str:
    after = sum(era.days for era in eras if era.name.startswith("after"))
    what = (
        "No day of this result is after it: nothing here is evidence about the future."
        if after == 0
        else f"{after} of {sum(era.days for era in eras)} days are after it; only they are evidence about "
        "the future."
    )
    return f"Knowledge cutoff of {listed(models, 'and')}: {cutoff}. {what}"


def _era(
    name: str, comparison: Comparison, episodes: Sequence[Episode], end: datetime, is_after: bool
) -> Era | None:
    curves = {c.label: _cut(c.curve.equity, end, is_after) for c in comparison.contenders}
    days = max((len(curve) - 1 for curve in curves.values()), default=0)
    if days < 1:
        return None
    returns = {label: daily_returns(curve) for label, curve in curves.items()}
    own = next((returns[c.label] for c in comparison.contenders if c.part == "agents"), None)
    decided = [episode for episode in episodes if (episode.view.asof > end) == is_after]
    hits = [
        (episode.decision.depth > 0) == (episode.outcome.market_return > 0)
        for episode in decided
        if episode.outcome is not None and episode.decision.depth and episode.outcome.market_return
    ]
    return Era(
        name=name,
        days=days,
        decisions=len(decided),
        hit_rate=float(np.mean(hits)) if hits else None,
        results=tuple(
            Result(
                label=c.label,
                part=c.part,
                total_return=float(np.prod(1.0 + returns[c.label]) - 1.0),
                sharpe=sharpe(returns[c.label]),
                lead=None if own is None or c.part == "agents" else mean_difference(own, returns[c.label]),
            )
            for c in comparison.contenders
        ),
    )


def _cut(equity: pd.Series, end: datetime, is_after: bool) -> pd.Series:
    """The days of one side; the value at the cutoff ends the one and begins the other."""
    return equity[equity.index >= end] if is_after else equity[equity.index <= end]
