"""Edges found in data: which assets move together, which lead, and where agents earn or lose.

All tests of a kind are corrected together (Benjamini-Hochberg), so that of what is kept at most the share
`false_share` is expected to be chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from agent_market.memory.bitemporal import Times
from agent_market.memory.graph.records import Edge, EdgeEvidence, EdgeKind, node_id
from agent_market.records import Episode
from agent_market.stats.significance import correlation, mean_test, q_values
from agent_market.utils.arrays import Floats

MOST_EPISODES = 20
"""Ids kept as evidence of one edge: the newest. The count is in the statistics."""


@dataclass(frozen=True, slots=True)
class _Finding:
    source: str
    target: str
    weight: float
    p_value: float
    statistics: dict[str, float]


def market_edges(
    returns: pd.DataFrame, asof: datetime, max_lag: int = 6, false_share: float = 0.05, least: float = 0.1
) -> tuple[Edge, ...]:
    """`co-moves` and `leads` edges between assets.

    :param returns: (dates of candle closes, UTC x assets) returns of one candle; rows after `asof` are not
        read; NaN where a candle is missing.
    :param max_lag: candles by which one may lead.
    :param false_share: largest expected share of false edges among those kept, per kind.
    :param least: smallest |correlation| worth an edge, however significant.
    """
    seen = returns.loc[returns.index <= pd.Timestamp(asof)]
    if seen.empty:
        return ()
    times = Times(seen.index[-1].to_pydatetime(), asof, asof)
    values = {str(name): seen[name].to_numpy(dtype=np.float64) for name in sorted(seen.columns)}
    together, leading = [], []
    for source, x in values.items():
        for target, y in values.items():
            if source < target:
                together += _tested(source, target, x, y, 0)
            if source != target:
                for lag in range(1, max_lag + 1):
                    leading += _tested(source, target, x[:-lag], y[lag:], lag)
    return (
        *_kept(together, "co-moves", times, false_share, least),
        *_strongest(_kept(leading, "leads", times, false_share, least)),
    )


def agent_edges(
    episodes: Sequence[Episode], scope: str, asof: datetime, false_share: float = 0.05
) -> tuple[Edge, ...]:
    """`earns-in` and `loses-in` edges from agents to regimes, from rewards of their views after costs.

    The weight is the mean reward in units of its standard deviation, clipped to 1.  Decisions less than a
    horizon apart share candles; the test counts them as the fewer independent ones that they are worth.

    :param episodes: of any pairs; those whose outcome is not known by `asof` are not read.
    """
    rewards: dict[tuple[str, str], list[tuple[float, str]]] = {}
    held: dict[tuple[str, str], float] = {}
    latest = None
    for episode in sorted(episodes, key=lambda e: (e.view.asof, e.id)):
        outcome = episode.outcome
        if outcome is None or outcome.known_at > asof:
            continue
        latest = max(latest or outcome.known_at, outcome.known_at)
        for view in episode.views:
            if not view.abstains and view.depth != 0.0:
                key = (view.agent, episode.view.regime)
                last = held.get((view.agent, episode.view.pair), 0.0)
                rewards.setdefault(key, []).append((outcome.reward(view.depth, last), episode.id))
            held[view.agent, episode.view.pair] = view.depth
    if latest is None:
        return ()
    findings, ids = [], {}
    for (agent, regime), rows in sorted(rewards.items()):
        values = np.array([reward for reward, _ in rows])
        tested = mean_test(values)
        if tested is None:
            continue
        t, p, size = tested
        mean, deviation = float(values.mean()), float(values.std(ddof=1))
        source, target = node_id("agent", agent), node_id("regime", regime)
        weight = max(-1.0, min(1.0, mean / deviation))
        statistics = {"mean_reward": mean, "t": t, "episodes": float(len(rows)), "effective_size": size}
        findings.append(_Finding(source, target, weight, p, statistics))
        ids[source, target] = tuple(episode_id for _, episode_id in rows[-MOST_EPISODES:])
    times = Times(latest, asof, asof)
    edges = []
    for found, q in zip(findings, q_values([f.p_value for f in findings]), strict=True):
        if q <= false_share:
            kind: EdgeKind = "earns-in" if found.weight > 0 else "loses-in"
            evidence = EdgeEvidence(
                {**found.statistics, "p": found.p_value, "q": float(q)}, ids[found.source, found.target]
            )
            edges.append(Edge(found.source, found.target, kind, found.weight, times, evidence, scope))
    return tuple(edges)


def _tested(source: str, target: str, x: Floats, y: Floats, lag: int) -> list[_Finding]:
    found = correlation(x, y)
    if found is None:
        return []
    r, p, size = found
    statistics = {"correlation": r, "effective_size": size, "lag": float(lag)}
    return [_Finding(node_id("asset", source), node_id("asset", target), r, p, statistics)]


def _kept(
    findings: Sequence[_Finding], kind: EdgeKind, times: Times, false_share: float, least: float
) -> list[Edge]:
    q = q_values([f.p_value for f in findings])
    return [
        Edge(
            f.source,
            f.target,
            kind,
            f.weight,
            times,
            EdgeEvidence(
                {**f.statistics, "p": f.p_value, "q": float(adjusted), "tests": float(len(findings))}
            ),
        )
        for f, adjusted in zip(findings, q, strict=True)
        if adjusted <= false_share and abs(f.weight) >= least
    ]


def _strongest(edges: Sequence[Edge]) -> list[Edge]:
    """Of several lags of one pair the strongest; of equal ones the shortest."""
    best: dict[tuple[str, str], Edge] = {}
    for edge in edges:
        held = best.get((edge.source, edge.target))
        if held is None or abs(edge.weight) > abs(held.weight):
            best[edge.source, edge.target] = edge
    return [best[key] for key in sorted(best)]
