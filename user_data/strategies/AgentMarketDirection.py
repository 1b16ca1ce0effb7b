"""For the classifiers: will the price be higher after the horizon? Depth is 10 x (P(up) - P(down))."""

from typing import Any

import numpy as np
from pandas import DataFrame

from agent_market.strategy.strategy import AgentMarketStrategyBase
from agent_market.utils.arrays import Floats

DIRECTION = "&-direction"


class AgentMarketDirection(AgentMarketStrategyBase):
    """The same features, stop and ROI as the others; the target is the side, not the size, of the move."""

    stoploss = -0.20
    minimal_roi = {"0": 100.0}  # noqa: RUF012 - freqtrade reads a plain dict

    def set_freqai_targets(self, dataframe: DataFrame, metadata: dict[str, Any], **kwargs: Any) -> DataFrame:
        close = dataframe["close"]
        later = close.shift(-self.settings.decision.horizon_candles)
        sides = np.where(later > close, "up", "down").astype(object)
        # The last candles have no side yet: FreqAI leaves rows without a label out.
        sides[later.isna().to_numpy()] = None
        dataframe[DIRECTION] = sides
        return dataframe

    def depth(self, dataframe: DataFrame) -> Floats:
        return dataframe.get("quant_depth_now", dataframe["volume"] * 0.0).to_numpy(dtype=float)
