"""The peer's strategy: our features, thresholds, stops and tags over a plain FreqAI model.

Without it a plain model would trade nothing under our strategy, and freqtrade's own work on trades and on
their tags would be counted as ours.
"""

import numpy as np
from AgentMarketStrategy import AgentMarketStrategy
from pandas import DataFrame

from agent_market.pipeline.quant import TARGET
from agent_market.utils.arrays import Floats


class PlainModelTrades(AgentMarketStrategy):
    """Depth is the prediction in units of its deviation, decided anew on every `cadence_candles`-th row."""

    def depth(self, dataframe: DataFrame) -> Floats:
        """(T,) in [-10, 10]; names the row it was decided on in `decision_time`, as the ensemble does."""
        decided = np.arange(len(dataframe)) // self.settings.decision.cadence_candles
        first = decided * self.settings.decision.cadence_candles
        closes_s = dataframe["date"].astype("datetime64[s, UTC]").astype("int64").to_numpy(dtype=float)
        dataframe["decision_time"] = closes_s[first]
        scale = dataframe[TARGET].std() or 1.0
        depth: Floats = 10.0 * np.tanh(dataframe[TARGET].to_numpy() / (2.0 * scale))
        return depth[first]
