"""Mean weight of each agent by market regime and week, and its changes in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from agent_market.records import Episode
from agent_market.reports.scorecards import agents_in
from agent_market.reports.text import percent

LEAST_DECISIONS = 3
"""A week with fewer decisions in a regime is shown, but changes from or to it are not reported."""
LEAST_CHANGE = 0.05
"""Smallest change of a mean weight that is reported."""


@dataclass(frozen=True, slots=True)
class WeightRow:
    """Mean weights in one regime in one week.

    `week` is its Monday (UTC).  An abstention counts as weight 0, so the weights of a row sum to 1 unless
    everyone abstained from some of its `decisions`.
    """

    regime: str
    week: date
    decisions: int
    weights: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class WeightChange:
    """One agent's mean weight in one regime, in the first and in the last week with enough decisions."""

    regime: str
    agent: str
    first: date
    last: date
    before: float
    after: float

    @property
    def words(self) -> str:
        """`In chop-calm the conservative agent rose from 30% to 45% (weeks of 2024-03-04 and 2024-04-01).`"""
        verb = "rose" if self.after > self.before else "fell"
        who = "cash" if self.agent == "cash" else f"the {self.agent} agent"
        moved = f"{verb} from {percent(self.before, 0)} to {percent(self.after, 0)}"
        return f"In {self.regime} {who} {moved} (weeks of {self.first} and {self.last})."


@dataclass(frozen=True, slots=True)
class WeightTable:
    """`rows` by regime, then week; `changes` by size, largest first; `agents` in the role table's order."""

    agents: tuple[str, ...]
    rows: tuple[WeightRow, ...]
    changes: tuple[WeightChange, ...]


def weight_table(episodes: Sequence[Episode]) -> WeightTable:
    """Mean weights by regime and week over all pairs of the episodes, in any order."""
    ordered = sorted(episodes, key=lambda e: (e.view.asof, e.view.pair))
    agents = agents_in(ordered)
    groups: dict[tuple[str, date], list[Episode]] = {}
    for episode in ordered:
        groups.setdefault((episode.view.regime, _monday(episode)), []).append(episode)
    rows = tuple(_row(regime, week, groups[regime, week], agents) for regime, week in sorted(groups))
    return WeightTable(agents, rows, _changes(rows, agents))


def _monday(episode: Episode) -> date:
    day = episode.view.asof.date()
    return day - timedelta(days=day.weekday())


def _row(regime: str, week: date, episodes: Sequence[Episode], agents: Sequence[str]) -> WeightRow:
    count = len(episodes)
    means = {a: sum(e.decision.weights.get(a, 0.0) for e in episodes) / count for a in agents}
    return WeightRow(regime, week, count, means)


def _changes(rows: Sequence[WeightRow], agents: Sequence[str]) -> tuple[WeightChange, ...]:
    telling: dict[str, list[WeightRow]] = {}
    for row in rows:
        if row.decisions >= LEAST_DECISIONS:
            telling.setdefault(row.regime, []).append(row)
    changes = [
        WeightChange(regime, agent, found[0].week, found[-1].week, before, after)
        for regime, found in telling.items()
        for agent in agents
        if abs((after := found[-1].weights[agent]) - (before := found[0].weights[agent])) >= LEAST_CHANGE
    ]
    return tuple(sorted(changes, key=lambda c: (-abs(c.after - c.before), c.regime, c.agent)))
