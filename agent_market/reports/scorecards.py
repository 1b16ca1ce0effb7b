"""Scorecards of each agent: the rewards that Hedge learns from, read from the episodes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from agent_market.config import DecisionSettings
from agent_market.outcomes import expected_std, held_depth, previous_decisions, rewards_of, scaled_reward
from agent_market.records import DEPTH_LIMIT, Episode

FUSED = "fused"
EQUAL = "equal weights"
ALWAYS_LONG = "always long"


@dataclass(frozen=True, slots=True)
class Scorecard:
    """One agent over a run.

    `views` counts opinions and `abstentions` the rest; `mean_reward` is in Hedge's units, [-1, 1], after
    costs; `hit_rate` is the share of sided opinions (depth not 0) with the sign the market then took;
    weights are means over all decisions, and over the newest decision of each pair. None where nothing is
    known yet.
    """

    agent: str
    views: int
    abstentions: int
    commonest_cause: str | None
    mean_weight: float | None
    last_weight: float | None
    mean_reward: float | None
    hit_rate: float | None


@dataclass(frozen=True, slots=True)
class RewardPath:
    """Cumulative reward: `known_at_s` (seconds, UTC) and the running sum after each outcome."""

    name: str
    is_baseline: bool
    known_at_s: np.ndarray
    total: np.ndarray


@dataclass(frozen=True, slots=True)
class RegimeRecord:
    """The fused decision in one regime: outcomes known, and means of depth, market return and reward."""

    regime: str
    outcomes: int
    mean_depth: float
    mean_market_return: float
    mean_reward: float


def agents_in(episodes: Sequence[Episode]) -> tuple[str, ...]:
    """Agents in the order in which they first appear."""
    return tuple(dict.fromkeys(view.agent for episode in episodes for view in episode.views))


def scorecards(episodes: Sequence[Episode], settings: DecisionSettings) -> tuple[Scorecard, ...]:
    """One scorecard an agent, in the order of the role table."""
    newest = {e.view.pair: e for e in sorted(episodes, key=lambda e: e.view.asof)}.values()
    before = previous_decisions(episodes, settings)
    return tuple(_scorecard(agent, episodes, list(newest), settings, before) for agent in agents_in(episodes))


def reward_paths(episodes: Sequence[Episode], settings: DecisionSettings) -> tuple[RewardPath, ...]:
    """Cumulative rewards of every agent, and of three references measured the same way.

    The references are the fused depth, the plain mean of the views, and a full long every time (what buying
    would have earned).
    """
    known = sorted(
        (e for e in episodes if e.outcome is not None and _deviation(e, settings) is not None),
        key=lambda e: (e.outcome.known_at if e.outcome else e.due, e.view.asof),
    )
    before = previous_decisions(episodes, settings)
    pairs = [(e, before.get((e.view.pair, e.view.asof))) for e in known]
    rewards = [rewards_of(e, settings, last) | _references(e, settings, last) for e, last in pairs]
    times = np.array([int(e.outcome.known_at.timestamp()) for e in known if e.outcome], dtype=np.int64)
    paths = []
    for name in (*agents_in(episodes), FUSED, EQUAL, ALWAYS_LONG):
        rows = np.array([i for i, row in enumerate(rewards) if name in row], dtype=int)
        values = np.array([rewards[i][name] for i in rows], dtype=float)
        is_baseline = name in (FUSED, EQUAL, ALWAYS_LONG)
        paths.append(RewardPath(name, is_baseline, times[rows], np.cumsum(values)))
    return tuple(paths)


def regime_records(episodes: Sequence[Episode], settings: DecisionSettings) -> tuple[RegimeRecord, ...]:
    """The fused decision by regime, most frequent regime first."""
    groups: dict[str, list[tuple[float, float, float]]] = {}
    before = previous_decisions(episodes, settings)
    for episode in episodes:
        deviation = _deviation(episode, settings)
        if episode.outcome is None or deviation is None:
            continue
        depth = episode.decision.depth
        last = before.get((episode.view.pair, episode.view.asof))
        held = last.decision.depth if last is not None else 0.0
        reward = scaled_reward(episode.outcome, depth, deviation, settings, held)
        groups.setdefault(episode.view.regime, []).append((depth, episode.outcome.market_return, reward))
    records = [
        RegimeRecord(regime, len(rows), *(float(column) for column in np.mean(rows, axis=0)))
        for regime, rows in groups.items()
    ]
    return tuple(sorted(records, key=lambda record: (-record.outcomes, record.regime)))


def _scorecard(
    agent: str,
    episodes: Sequence[Episode],
    newest: Sequence[Episode],
    settings: DecisionSettings,
    before: Mapping[tuple[str, datetime], Episode],
) -> Scorecard:
    views = [(e, v) for e in episodes for v in e.views if v.agent == agent]
    causes = Counter(v.abstained_reason for _, v in views if v.abstained_reason is not None)
    spoken = [(e, v) for e, v in views if not v.abstains]
    rewards = [
        r[agent]
        for r in (rewards_of(e, settings, before.get((e.view.pair, e.view.asof))) for e, _ in spoken)
        if agent in r
    ]
    hits = [
        (v.depth > 0) == (e.outcome.market_return > 0)
        for e, v in spoken
        if e.outcome is not None and v.depth != 0 and e.outcome.market_return != 0
    ]
    return Scorecard(
        agent=agent,
        views=len(spoken),
        abstentions=len(views) - len(spoken),
        commonest_cause=causes.most_common(1)[0][0] if causes else None,
        mean_weight=_mean([e.decision.weights.get(agent, 0.0) for e in episodes]),
        last_weight=_mean([e.decision.weights.get(agent, 0.0) for e in newest]),
        mean_reward=_mean(rewards),
        hit_rate=_mean([float(hit) for hit in hits]),
    )


def _references(episode: Episode, settings: DecisionSettings, previous: Episode | None) -> dict[str, float]:
    deviation, outcome = _deviation(episode, settings), episode.outcome
    if outcome is None or deviation is None:
        return {}
    spoken = [v.depth for v in episode.views if not v.abstains]
    depths = {FUSED: episode.decision.depth, ALWAYS_LONG: DEPTH_LIMIT}
    if spoken:
        depths[EQUAL] = float(np.mean(spoken))
    held: dict[str, float] = {}
    if previous is not None:
        said = [held_depth(v.agent, previous) for v in previous.views if not v.abstains]
        held = {FUSED: previous.decision.depth, ALWAYS_LONG: DEPTH_LIMIT}
        held[EQUAL] = float(np.mean(said)) if said else 0.0
    return {
        name: scaled_reward(outcome, depth, deviation, settings, held.get(name, 0.0))
        for name, depth in depths.items()
    }


def _deviation(episode: Episode, settings: DecisionSettings) -> float | None:
    return expected_std(episode.view, settings.horizon_candles)


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if len(values) else None
