"""Episodes of any kind for tests of reports and feedback."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from agent_market.records import (
    AgentView,
    Clamp,
    Decision,
    Episode,
    MarketView,
    Neighbour,
    Outcome,
    Recall,
    RiskResult,
)
from tests.helpers.backtest_results import START

AGENTS = ("aggressive", "conservative", "quant", "memory", "judge")


def make_episode(
    asof: datetime = START,
    pair: str = "BTC/USDT",
    depths: Sequence[float | None] = (4.0, 1.0, 3.0, None, 2.0),
    market_return: float | None = 0.02,
    belief: str = "Momentum is up, and volume confirms it.",
    cause: str = "fewer than 4 similar cases with a known outcome",
    weights: Sequence[float] | None = None,
    regime: str = "up-calm",
    clamped: bool = False,
    neighbours: int = 0,
    agents: Sequence[str] = AGENTS,
) -> Episode:
    """One decision; `None` among `depths` is an abstention, `market_return` None an open outcome."""
    views = tuple(
        AgentView.abstain(agent, cause)
        if depth is None
        else AgentView(agent, depth, 0.6, belief, ("trend is +1.2", "volatility in its lower half"))
        for agent, depth in zip(agents, depths, strict=True)
    )
    awake = [v.agent for v in views if not v.abstains]
    given = dict(zip(agents, weights or [1 / max(len(awake), 1)] * len(agents), strict=True))
    shares = {v.agent: 0.0 if v.abstains else given[v.agent] for v in views}
    parts = {v.agent: shares[v.agent] * v.depth for v in views}
    depth = sum(parts.values())
    action = "buy" if depth >= 1 else "sell" if depth <= -1 else "hold"
    identity = f"{pair}@{asof:%Y-%m-%dT%H:%MZ}"
    allowed = depth / 2 if clamped else depth
    outcome = None
    if market_return is not None:
        outcome = Outcome(market_return, 0.03, -0.02, 0.0024, asof + timedelta(hours=12))
    view = MarketView(
        pair=pair,
        timeframe="1h",
        asof=asof,
        features={"return_24": 0.012, "rsi_14": 0.61, "volatility_24": 0.006, "trend": 1.2},
        context={"fear_greed": 61.0},
        regime=regime,
        state=(0.1, 0.2),
    )
    recalled = tuple(
        Neighbour(
            f"{pair}@{n}",
            asof - timedelta(days=n + 1),
            asof - timedelta(days=n),
            0.1 * (n + 1),
            0.01 * (-1) ** n,
        )
        for n in range(neighbours)
    )
    clamps = (Clamp("drawdown", 0.25, 0.31, depth, allowed),) if clamped else ()
    return Episode(
        scope="test",
        view=view,
        recall=Recall(asof, recalled),
        views=views,
        decision=Decision(identity, pair, asof, depth, action, 0.6, shares, parts),
        verdict=RiskResult(allowed, action, clamps),
        due=asof + timedelta(hours=12),
        outcome=outcome,
    )


def make_history(
    pairs: Sequence[str] = ("BTC/USDT", "ETH/USDT"), days: int = 90, seed: int = 1
) -> tuple[Episode, ...]:
    """A decision every twelve hours and pair, with wandering weights and depths; the newest are open."""
    rng = np.random.default_rng(seed)
    episodes = []
    for pair in pairs:
        score = np.zeros(len(AGENTS))
        for n in range(days * 2):
            score += rng.normal(0, 0.15, len(AGENTS))
            weights = np.exp(score)
            depths = [float(d) for d in np.clip(rng.normal(1, 3, len(AGENTS)), -10, 10)]
            depths[3] = depths[3] if n > 8 else None
            awake = weights * [d is not None for d in depths]
            episodes.append(
                make_episode(
                    asof=START + timedelta(hours=12 * (n + 1)),
                    pair=pair,
                    depths=depths,
                    weights=tuple(awake / awake.sum()),
                    market_return=None if n == days * 2 - 1 else float(rng.normal(0.001, 0.02)),
                    regime=["up-calm", "down-wild", "chop-calm"][n % 3],
                    clamped=n % 17 == 0,
                    neighbours=min(max(n - 6, 0), 8),
                )
            )
    return tuple(sorted(episodes, key=lambda e: (e.view.asof, e.view.pair)))
