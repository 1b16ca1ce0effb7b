"""Decisions as compact rows for the report's table; the browser shows them as text, never as markup."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from agent_market.config import DecisionSettings
from agent_market.outcomes import previous_decisions, rewards_of
from agent_market.records import AgentView, Episode
from agent_market.reports.credit import parts_of

MOST = 5_000
"""Most decisions that one page carries; older ones are left out, and the page says so."""


class Texts:
    """Each distinct text once: beliefs and reasons repeat, above all those of rules."""

    def __init__(self) -> None:
        self._index: dict[str, int] = {}

    def __call__(self, text: str) -> int:
        return self._index.setdefault(text, len(self._index))

    @property
    def all(self) -> list[str]:
        return list(self._index)


def decision_table(
    episodes: Sequence[Episode], settings: DecisionSettings, traded: Collection[str]
) -> dict[str, Any]:
    """What `report.js` reads: `texts`, and one object a decision, newest first.

    :param traded: ids of decisions that a trade of the agents followed.
    """
    texts = Texts()
    newest = sorted(episodes, key=lambda e: (e.view.asof, e.view.pair), reverse=True)[:MOST]
    before = previous_decisions(episodes, settings)
    rows = [_row(e, settings, e.id in traded, texts, before.get((e.view.pair, e.view.asof))) for e in newest]
    return {"texts": texts.all, "rows": rows, "left_out": len(episodes) - len(newest)}


def _row(
    episode: Episode, settings: DecisionSettings, traded: bool, texts: Texts, previous: Episode | None
) -> dict[str, Any]:
    outcome, decision, verdict = episode.outcome, episode.decision, episode.verdict
    rewards = rewards_of(episode, settings, previous)
    without = {part.name: part.without for part in parts_of(episode)}
    return {
        "t": int(episode.view.asof.timestamp()),
        "pair": texts(episode.view.pair),
        "regime": texts(episode.view.regime),
        "depth": _short(decision.depth),
        "shift": _short(decision.shift),
        "nets": [texts(name) for name in decision.nets],
        "allowed": _short(verdict.depth),
        "action": texts(verdict.action),
        "confidence": _short(decision.confidence),
        "traded": traded,
        "outcome": None
        if outcome is None
        else {
            "return": _short(outcome.market_return),
            "best": _short(outcome.best),
            "worst": _short(outcome.worst),
            "cost": _short(outcome.cost),
            "known": int(outcome.known_at.timestamp()),
        },
        "views": [
            _view(v, decision.weights, decision.contributions, rewards, without, texts) for v in episode.views
        ],
        "clamps": [
            [texts(c.limit), _short(c.threshold), _short(c.value), _short(c.before), _short(c.after)]
            for c in verdict.clamps
        ],
        "recall": [
            [int(n.asof.timestamp()), _short(n.distance), _short(n.market_return)]
            for n in episode.recall.neighbours
        ],
        "features": [
            [texts(name), _short(value)]
            for name, value in (*_items(episode.view.features), *_context(episode))
        ],
    }


def _view(
    view: AgentView,
    weights: Mapping[str, float],
    contributions: Mapping[str, float],
    rewards: Mapping[str, float],
    without: Mapping[str, float],
    texts: Texts,
) -> list[Any]:
    return [
        texts(view.agent),
        _short(view.depth),
        _short(view.confidence),
        _short(weights.get(view.agent, 0.0)),
        _short(contributions.get(view.agent, 0.0)),
        _short(rewards.get(view.agent)),
        texts(view.belief),
        [texts(reason) for reason in view.reasons],
        None if view.abstained_reason is None else texts(view.abstained_reason),
        _short(without.get(view.agent)),
    ]


def _items(values: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(values.items())


def _context(episode: Episode) -> list[tuple[str, float]]:
    return [(f"context: {name}", value) for name, value in _items(episode.view.context)]


def _short(value: float | None) -> float | None:
    """Four significant digits: what a reader can use, at a third of the size."""
    return None if value is None else float(f"{value:.4g}")
