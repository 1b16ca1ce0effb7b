"""Small whole episodes for the tests of store, memory, decision and reflection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from agent_market.records import AgentView, Decision, Episode, MarketView, Outcome, Recall, RiskResult

START = datetime(2024, 1, 1, tzinfo=UTC)
PAIR = "BTC/USDT"
SCOPE = "test"


def at(hour: int) -> datetime:
    """`hour` hours after the start of the tests' time."""
    return START + timedelta(hours=hour)


def a_view(
    hour: int,
    state: Sequence[float] = (0.0, 0.0),
    features: Mapping[str, float] | None = None,
    pair: str = PAIR,
) -> MarketView:
    return MarketView(
        pair=pair,
        timeframe="1h",
        asof=at(hour),
        features={"volatility_24": 0.01} if features is None else features,
        context={},
        regime="chop-calm",
        state=tuple(state),
    )


def an_outcome(known_hour: int, market_return: float = 0.01, cost: float = 0.0) -> Outcome:
    return Outcome(
        market_return=market_return,
        best=max(market_return, 0.0),
        worst=min(market_return, 0.0),
        cost=cost,
        known_at=at(known_hour),
    )


def an_episode(
    hour: int,
    state: Sequence[float] = (0.0, 0.0),
    depths: Mapping[str, float] | None = None,
    outcome: Outcome | None = None,
    horizon: int = 12,
    pair: str = PAIR,
    scope: str = SCOPE,
    belief: str = "",
) -> Episode:
    """An episode whose agents have `depths` and equal weights."""
    depths = {"quant": 1.0} if depths is None else depths
    weights = dict.fromkeys(depths, 1.0 / len(depths))
    contributions = {agent: weights[agent] * depth for agent, depth in depths.items()}
    depth = sum(contributions.values())
    name = f"{pair}@{hour}"
    return Episode(
        scope=scope,
        view=a_view(hour, state, pair=pair),
        recall=Recall(at(hour)),
        views=tuple(AgentView(agent, d, 0.5, belief) for agent, d in depths.items()),
        decision=Decision(name, pair, at(hour), depth, "hold", 0.5, weights, contributions),
        verdict=RiskResult(depth, "hold"),
        due=at(hour + horizon),
        outcome=outcome,
    )
