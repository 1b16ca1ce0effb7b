"""Baseline: the same LightGBM model without agents, memory or risk, read on every candle."""

from pandas import DataFrame

from agent_market.strategy.strategy import AgentMarketStrategyBase
from agent_market.utils.arrays import Floats


class AgentMarketQuantOnly(AgentMarketStrategyBase):
    """The trained model's own depth; same stop, ROI and thresholds."""

    stoploss = -0.20
    minimal_roi = {"0": 100.0}  # noqa: RUF012 - freqtrade reads a plain dict

    def depth(self, dataframe: DataFrame) -> Floats:
        return dataframe.get("quant_depth_now", dataframe["volume"] * 0.0).to_numpy(dtype=float)
