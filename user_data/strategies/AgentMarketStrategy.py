"""The committee's strategy: set your own stop, ROI, timeframe and thresholds here.

freqtrade backtesting --strategy AgentMarketStrategy --freqaimodel AgentEnsemble -c config.json
freqtrade hyperopt --spaces agents fusion --hyperopt-loss SharpeHyperOptLoss ...
"""

from agent_market.strategy.strategy import AgentMarketStrategyBase


class AgentMarketStrategy(AgentMarketStrategyBase):
    """Entries and exits from the fused depth of the agents, weighted by what each has earned."""

    stoploss = -0.10
    minimal_roi = {"0": 0.20}  # noqa: RUF012 - freqtrade reads a plain dict
