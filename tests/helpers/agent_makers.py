"""Small market views, recalls, requests and settings for the tests of the agents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from agent_market.config import LLMSettings
from agent_market.llm.answers.request import Request, RequestForm
from agent_market.records import AgentView, MarketView, Neighbour, Recall

ASOF = datetime(2024, 3, 5, 7, tzinfo=UTC)
GIVEN = {
    "quant": AgentView("quant", 3.0, 0.7, "model", ("predicted return 0.004",)),
    "memory": AgentView("memory", -1.0, 0.55, "cases", ("5 of 8 fell",)),
    "trend": AgentView("trend", 1.0, 0.5, "rule"),
    "breadth": AgentView("breadth", 1.0, 0.5, "rule"),
    "carry": AgentView("carry", 0.0, 0.5, "rule"),
}


def llm(url: str = "http://127.0.0.1:9/v1", **changes: Any) -> LLMSettings:
    return LLMSettings(base_url=url, timeout_s=changes.pop("timeout_s", 5.0), **changes)


def market_view(
    features: Mapping[str, float] | None = None,
    context: Mapping[str, float] | None = None,
    hours: int = 0,
) -> MarketView:
    return MarketView(
        pair="BTC/USDT",
        timeframe="1h",
        asof=ASOF + timedelta(hours=hours),
        features={"return_24": 0.0123456789, "rsi_14": 0.61} if features is None else features,
        context={"vix": 15.3} if context is None else context,
        regime="up-calm",
        state=(0.1, -0.2),
    )


def recall(returns: Sequence[float] = (0.01, -0.02, 0.04)) -> Recall:
    neighbours = tuple(
        Neighbour(
            f"BTC/USDT-2024-01-0{i + 1}",
            ASOF - timedelta(days=30 + i),
            ASOF - timedelta(days=29 + i),
            distance=0.1 * (i + 1),
            market_return=value,
        )
        for i, value in enumerate(returns)
    )
    return Recall(ASOF, neighbours)


def request(
    user: str = "what now?", role: str = "aggressive", settings: LLMSettings | None = None
) -> Request:
    return RequestForm(role, "You are an agent. Answer in JSON.", settings or llm()).fill(user)
