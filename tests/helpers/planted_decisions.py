"""Recorded decisions in a world where one number is worth something, or none is, and rules to ask there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import orjson

from agent_market.agents.committee import Committee
from agent_market.agents.roles import ROLES, Role
from agent_market.config import LLMSettings
from agent_market.errors import AnswerInvalid, ModelUnavailable
from agent_market.llm.answers.request import Request
from agent_market.llm.answers.schemas import parse
from agent_market.llm.answers.sources import Reply
from agent_market.llm.endpoints.completion import RequestTotals
from agent_market.records import AgentView, Decision, Episode, MarketView, Outcome, Recall, RiskResult
from agent_market.sandbox.model.chat import complete

START = datetime(2022, 1, 3, tzinfo=UTC)
VOLATILITY = 0.01
HORIZON = 12
DEVIATION = VOLATILITY * math.sqrt(HORIZON)
PLANTED = "return_24"


def recorded(
    count: int, ic: float, seed: int, scope: str = "recorded", pairs: Sequence[str] = ("BTC/USDT",)
) -> tuple[Episode, ...]:
    """`count` decisions of each pair, 12 hours apart; `PLANTED` has correlation `ic` with what follows it.

    All other features are noise. Each outcome is known when the next decision comes up, and costs nothing.
    """
    rng = np.random.default_rng(seed)
    episodes = []
    for i in range(count):
        for pair in pairs:
            signal, noise = rng.normal(size=2)
            change = DEVIATION * (ic * signal + math.sqrt(1.0 - ic * ic) * noise)
            features = {
                PLANTED: signal * VOLATILITY * math.sqrt(24),
                "return_72": rng.normal() * VOLATILITY * math.sqrt(72),
                "trend": rng.normal(),
                "macd_hist": rng.normal(),
                "volatility_24": VOLATILITY,
                "volatility_percentile": 0.5,
            }
            episodes.append(_episode(scope, pair, START + timedelta(hours=12 * i), features, change))
    return tuple(episodes)


def _episode(scope: str, pair: str, asof: datetime, features: dict[str, float], change: float) -> Episode:
    features = {name: float(value) for name, value in features.items()}
    view = MarketView(pair, "1h", asof, features, {}, "chop-calm", (0.0,), 100.0)
    due = asof + timedelta(hours=HORIZON)
    views = tuple(AgentView(role.name, 1.0, 0.5, "recorded") for role in ROLES)
    weights = {v.agent: 1.0 / len(views) for v in views}
    decision = Decision(f"{pair}@{asof:%Y-%m-%dT%H:%MZ}", pair, asof, 1.0, "buy", 0.5, weights, weights)
    change = float(change)
    outcome = Outcome(change, max(change, 0.0), min(change, 0.0), 0.0, due)
    return Episode(scope, view, Recall(asof), views, decision, RiskResult(1.0, "buy"), due, outcome)


class Rules:
    """The sandbox's rules without a server: a source of answers that counts what it is asked."""

    usage = RequestTotals()

    def __init__(self, down_after: int | None = None, only: str | None = None) -> None:
        """:param down_after: so many requests are answered; `only` counts those of this role alone."""
        self.llm = LLMSettings()
        self.asked: list[str] = []
        self._down_after = down_after
        self._only = only

    def ask(self, requests: Sequence[Request]) -> list[Reply]:
        return [self._reply(request) for request in requests]

    def is_tight(self, decision: str) -> bool:
        return False

    def close(self) -> None:
        pass

    def _reply(self, request: Request) -> Reply:
        self.asked.append(request.role)
        counted = len(self.asked) if self._only is None else self.asked.count(self._only)
        concerned = self._only is None or request.role == self._only
        if self._down_after is not None and concerned and counted > self._down_after:
            return ModelUnavailable("the endpoint is down")
        said = orjson.loads(complete(request.body).body)["choices"][0]["message"]["content"]
        try:
            return parse(request.form.answer, said)
        except AnswerInvalid as error:
            return error


def seated(answers: Rules) -> object:
    """Committees over these answers, for a `Panel`."""

    def seat(roles: Sequence[Role]) -> Committee:
        return Committee(roles, answers)

    return seat


def role(name: str = "aggressive") -> Role:
    return next(role for role in ROLES if role.name == name)
