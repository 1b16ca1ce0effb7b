"""The committee's strategy on perpetual futures: long and short, leverage by conviction, capped by the gate.

freqtrade backtesting --strategy AgentMarketFuturesStrategy --freqaimodel AgentEnsemble -c config/futures.json
"""

from datetime import datetime
from typing import Any

from agent_market.strategy.futures import conviction_leverage
from agent_market.strategy.strategy import FUSED, AgentMarketStrategyBase


class AgentMarketFuturesStrategy(AgentMarketStrategyBase):
    """Shorts from negative depth; full conviction takes the most leverage that the gate allows."""

    can_short = True
    stoploss = -0.20
    minimal_roi = {"0": 100.0}  # noqa: RUF012 - freqtrade reads a plain dict

    def leverage(
        self,
        pair: str,
        current_time: datetime,
        current_rate: float,
        proposed_leverage: float,
        max_leverage: float,
        entry_tag: str | None,
        side: str,
        **kwargs: Any,
    ) -> float:
        return conviction_leverage(self.desk.market.frame(pair), FUSED, self.settings.risk.entry.leverage)
