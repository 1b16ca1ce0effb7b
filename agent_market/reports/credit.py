"""Attribute a run's profit: each agent's credit after costs, and its part in one decision.

Both are pure functions of stored episodes: the report shows them, and a REST route may call them.
Money is that of the decided depth, as a fraction of the capital (mean of the pairs), traded at each decision
and held until the next.  It is not freqtrade's profit: entry thresholds, open slots, stops and stakes come
after the decision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from agent_market.config import CostSettings, DecisionSettings
from agent_market.decision.credit import MOST_AGENTS, Credit, credits
from agent_market.decision.panel import DecisionPanel, money
from agent_market.records import DEPTH_LIMIT, Episode
from agent_market.utils.arrays import Floats

DECISION_NET = "decision net"
RISK = "risk limits"


@dataclass(frozen=True, slots=True)
class CreditRow:
    """One source of money: an agent, cash, the decision net, or the risk limits.

    `shapley` of the agents, with the rows of decision net and risk limits, sums to the table's `total`.
    `leave_one_out` is what would be missing without this agent alone; the same number for the two rows that
    come after the agents.  Both as fractions, and by regime.
    """

    name: str
    leave_one_out: float
    shapley: float
    left_out_by_regime: Mapping[str, float]
    by_regime: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class CreditTable:
    """Credit by agent and by stage after them.

    `total` is what the depth that risk allowed made, `decisions` how many count (their move is known),
    `regimes` those that occurred, in order of name.  Without rows, `absent_reason` says why.
    """

    rows: tuple[CreditRow, ...]
    regimes: tuple[str, ...]
    decisions: int
    total: float
    absent_reason: str | None = None

    @property
    def by_regime(self) -> Mapping[str, float]:
        """`total` by the regime at the moment of decision."""
        return {regime: sum(row.by_regime[regime] for row in self.rows) for regime in self.regimes}


@dataclass(frozen=True, slots=True)
class Part:
    """One agent's part in one decision: `contribution` = weight x depth; `without` = the fused depth if it
    had kept silent and the others had shared its weight in proportion.
    """

    name: str
    depth: float
    weight: float
    contribution: float
    without: float


def credit_table(episodes: Sequence[Episode], decision: DecisionSettings, costs: CostSettings) -> CreditTable:
    """Compute the credit of every agent and later stage over a run.

    :param episodes: of any pairs, in any order; a decision whose move is not known yet is left out.
    """
    by_pair: dict[str, list[Episode]] = {}
    for episode in sorted(episodes, key=lambda e: e.view.asof):
        by_pair.setdefault(episode.view.pair, []).append(episode)
    known = [moves for moves in (_moves(found, decision) for found in by_pair.values()) if moves]
    regimes = tuple(sorted({e.view.regime for moves in known for e, _ in moves}))
    voices = tuple(dict.fromkeys(v.agent for moves in known for e, _ in moves for v in e.views))
    if not known:
        return CreditTable((), (), 0, 0.0, "No decision has a known outcome yet.")
    if len(voices) > MOST_AGENTS:
        cause = f"Exact shares of {len(voices)} agents need 2^{len(voices)} coalitions; at most {MOST_AGENTS}"
        return CreditTable((), regimes, 0, 0.0, f"{cause} are divided among.")
    cost = costs.side
    sums: dict[str, list[CreditRow]] = {}
    for moves in known:
        for row in _pair_rows(moves, voices, regimes, cost):
            sums.setdefault(row.name, []).append(row)
    rows = tuple(_mean(rows, len(known)) for rows in sums.values())
    return CreditTable(
        rows=tuple(r for r in rows if r.name not in (DECISION_NET, RISK) or any(r.by_regime.values())),
        regimes=regimes,
        decisions=sum(len(moves) for moves in known),
        total=sum(row.shapley for row in rows),
    )


def parts_of(episode: Episode) -> tuple[Part, ...]:
    """Return the parts of all agents with a view, by contribution; a net's shift comes last."""
    decision = episode.decision
    fused = sum(decision.contributions.values())
    parts = []
    for view in episode.views:
        if view.abstains:
            continue
        weight = decision.weights.get(view.agent, 0.0)
        part = decision.contributions.get(view.agent, 0.0)
        rest = 1.0 - weight
        without = (fused - part) / rest if rest > 1e-12 else 0.0
        parts.append(Part(view.agent, view.depth, weight, part, without))
    parts.sort(key=lambda p: -abs(p.contribution))
    if decision.shift:
        parts.append(Part(DECISION_NET, decision.shift, 1.0, decision.shift, fused))
    return tuple(parts)


def _moves(episodes: Sequence[Episode], settings: DecisionSettings) -> list[tuple[Episode, float]]:
    """One pair's decisions, each with what a long position made until the next decision."""
    followed = [(e, _move(e, after, settings)) for e, after in pairwise([*episodes, None]) if e is not None]
    return [(e, move) for e, move in followed if move is not None]


def _move(episode: Episode, after: Episode | None, settings: DecisionSettings) -> float | None:
    """From close to close where the next decision came in time, else the outcome over the horizon."""
    here, then = episode.view.close, None if after is None else after.view.close
    if after is not None and here and then:
        candle_s = (episode.due - episode.view.asof).total_seconds() / settings.horizon_candles
        age = (after.view.asof - episode.view.asof).total_seconds() / candle_s
        if age <= settings.max_age_candles:
            return then / here - 1.0
    return None if episode.outcome is None else episode.outcome.market_return


def _pair_rows(
    moves: Sequence[tuple[Episode, float]], voices: tuple[str, ...], regimes: tuple[str, ...], cost: float
) -> list[CreditRow]:
    panel, weights = _panel(moves, voices, regimes)
    shared = [_agent_row(credit) for credit in credits(panel, weights, cost, regimes)]
    decided = [e.decision for e, _ in moves]
    steps = (
        [sum(d.contributions.values()) for d in decided],
        [d.depth for d in decided],
        [e.verdict.depth for e, _ in moves],
    )
    made = [money(panel, np.array(step)[:, None] / DEPTH_LIMIT, cost)[:, 0] for step in steps]
    flat = panel.regime[:, 0]
    later = []
    for name, less, more in ((DECISION_NET, made[0], made[1]), (RISK, made[1], made[2])):
        gained = np.bincount(flat, weights=more - less, minlength=len(regimes))
        split = dict(zip(regimes, gained.tolist(), strict=True))
        later.append(CreditRow(name, float(gained.sum()), float(gained.sum()), split, split))
    return shared + later


def _panel(
    moves: Sequence[tuple[Episode, float]], voices: tuple[str, ...], regimes: tuple[str, ...]
) -> tuple[DecisionPanel, Floats]:
    """One pair's decisions as a panel, and the (T, 1, N) weights that they had."""
    depth = np.full((len(moves), 1, len(voices)), np.nan)
    confidence, weights = np.zeros_like(depth), np.zeros_like(depth)
    place = {name: n for n, name in enumerate(voices)}
    for t, (episode, _) in enumerate(moves):
        for view in episode.views:
            if not view.abstains:
                n = place[view.agent]
                depth[t, 0, n] = view.depth / DEPTH_LIMIT
                confidence[t, 0, n] = view.confidence
                weights[t, 0, n] = episode.decision.weights.get(view.agent, 0.0)
    returns = np.array([[move] for _, move in moves])
    times = np.array([int(e.view.asof.timestamp()) for e, _ in moves], dtype=np.int64)
    panel = DecisionPanel(
        times=times,
        pairs=(moves[0][0].view.pair,),
        experts=voices,
        depth=depth,
        confidence=confidence,
        state=np.zeros((len(moves), 1, 0), dtype=np.float32),
        regime=np.array([[regimes.index(e.view.regime)] for e, _ in moves], dtype=np.int64),
        sigma=np.ones_like(returns),
        returns=returns,
        outcome=returns,
        known_at=np.array([[int(e.due.timestamp())] for e, _ in moves], dtype=np.int64),
    )
    return panel, weights


def _agent_row(credit: Credit) -> CreditRow:
    return CreditRow(
        credit.agent, credit.leave_one_out, credit.shapley, credit.left_out_by_regime, credit.by_regime
    )


def _mean(rows: Sequence[CreditRow], pairs: int) -> CreditRow:
    """The sum over pairs as a mean of all pairs that had decisions."""
    first = rows[0]
    return CreditRow(
        name=first.name,
        leave_one_out=sum(r.leave_one_out for r in rows) / pairs,
        shapley=sum(r.shapley for r in rows) / pairs,
        left_out_by_regime={k: sum(r.left_out_by_regime[k] for r in rows) / pairs for k in first.by_regime},
        by_regime={k: sum(r.by_regime[k] for r in rows) / pairs for k in first.by_regime},
    )
