"""The committee's strategy: set your own stop, ROI, timeframe and thresholds here.

freqtrade backtesting --strategy AgentMarketStrategy --freqaimodel AgentEnsemble -c config.json
freqtrade hyperopt --spaces agents fusion --hyperopt-loss SharpeHyperOptLoss ...
"""

from agent_market.strategy.strategy import AgentMarketStrategyBase


class AgentMarketStrategy(AgentMarketStrategyBase):
    """A target position from the fused depth of the agents, weighted by what each has earned.

    The stop is for disasters: the position is left where the agents no longer want it, and a profit is kept
    as long as they do.
    """

    stoploss = -0.20
    minimal_roi = {"0": 100.0}  # noqa: RUF012 - freqtrade reads a plain dict
