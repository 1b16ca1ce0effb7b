"""The arithmetic agents: trend, breadth and carry, from candles and funding alone, at no model cost.

Each reads named numbers of one candle (`freqai.rule_features`, all known at its close) and gives a view like
any other agent.  With the volatility target of the strategy they are the strongest row of
`decision.textbook`: the share of horizons over which the pair has risen, unless the market is below its mean.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from agent_market.decision.textbook import FILTER_DAYS, TREND_DAYS
from agent_market.records import DEPTH_LIMIT, AgentView

TREND, BREADTH, CARRY = "trend", "breadth", "carry"
RULE_AGENTS = (TREND, BREADTH, CARRY)

TREND_SHARE = "trend_share"
"""Share of the horizons `TREND_DAYS` over which the pair has risen, [0, 1]."""
MARKET_ABOVE = "market_above"
"""1 where the market (BTC, or all pairs) is above its mean of `FILTER_DAYS`, else 0."""
BREADTH_SHARE = "breadth_share"
"""Share of the pairs that are above their own mean of `FILTER_DAYS`, [0, 1]."""
DISPERSION = "dispersion_30d"
"""Standard deviation of the pairs' returns over 30 days, a fraction."""
ANNUAL_VOLATILITY = "annual_volatility"
"""Standard deviation of the pair's log returns over `sizing.volatility_days`, a year."""
FUNDING = "annual_funding"
"""Mean funding rate of the last 7 days, a year, a fraction; positive is paid by longs."""

_FUNDING_SCALE = 0.30


def rule_views(numbers: Mapping[str, float]) -> dict[str, AgentView]:
    """The view or abstention of every arithmetic agent on one candle, by name.

    :param numbers: what is known; an absent name or a number that is not finite is unknown.
    """
    known = {name: value for name, value in numbers.items() if math.isfinite(value)}
    return {TREND: trend_view(known), BREADTH: breadth_view(known), CARRY: carry_view(known)}


def trend_view(known: Mapping[str, float]) -> AgentView:
    """Depth 10 x the share of horizons that rose: long or flat, as the rule is judged."""
    share = known.get(TREND_SHARE)
    if share is None:
        return AgentView.abstain(TREND, f"fewer than {max(TREND_DAYS)} days of candles")
    days = ", ".join(str(d) for d in TREND_DAYS)
    return AgentView(
        agent=TREND,
        depth=DEPTH_LIMIT * share,
        confidence=abs(2.0 * share - 1.0),
        belief=f"The price has risen over {share:.0%} of the horizons of {days} days.",
    )


def breadth_view(known: Mapping[str, float]) -> AgentView:
    """A veto: depth -10 while the market is below its mean, an abstention while it is not.

    A mean of depths cannot multiply; an agent that is silent in a sound market and speaks against every long
    in a falling one is the textbook's filter in a committee's terms.
    """
    above = known.get(MARKET_ABOVE)
    if above is None:
        return AgentView.abstain(BREADTH, f"fewer than {FILTER_DAYS} days of candles of the market")
    if above > 0.0:
        return AgentView.abstain(BREADTH, f"the market is above its mean of {FILTER_DAYS} days: no objection")
    reasons = []
    if BREADTH_SHARE in known:
        reasons.append(f"{known[BREADTH_SHARE]:.0%} of the pairs are above their own mean")
    if DISPERSION in known:
        reasons.append(f"returns of 30 days differ between pairs by {known[DISPERSION]:.1%}")
    return AgentView(
        agent=BREADTH,
        depth=-DEPTH_LIMIT,
        confidence=1.0 - known.get(BREADTH_SHARE, 0.0),
        belief=f"The market is below its mean of {FILTER_DAYS} days.",
        reasons=tuple(reasons),
    )


def carry_view(known: Mapping[str, float]) -> AgentView:
    """The side that is paid the funding, deeper the more is paid: -10 tanh(funding a year / 30%)."""
    funding = known.get(FUNDING)
    if funding is None:
        return AgentView.abstain(CARRY, "no funding rate is known")
    side = math.tanh(funding / _FUNDING_SCALE)
    return AgentView(
        agent=CARRY,
        depth=-DEPTH_LIMIT * side or 0.0,
        confidence=abs(side),
        belief=f"Longs pay {funding:+.1%} a year in funding.",
    )
