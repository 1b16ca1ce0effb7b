"""Baseline: the same agents, all weighted equally. What the learned weights add is the difference."""

from pandas import DataFrame

from agent_market.strategy.signals import Fusion, fused_depth
from agent_market.strategy.strategy import AgentMarketStrategyBase
from agent_market.utils.arrays import Floats


class AgentMarketEqualWeights(AgentMarketStrategyBase):
    """The mean depth of all agents that did not abstain; same stop, ROI and thresholds."""

    stoploss = -0.20
    minimal_roi = {"0": 100.0}  # noqa: RUF012 - freqtrade reads a plain dict

    def depth(self, dataframe: DataFrame) -> Floats:
        return fused_depth(dataframe, self.agents, self.settings.memory, Fusion(equal=True))
