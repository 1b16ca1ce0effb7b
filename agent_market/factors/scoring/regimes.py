"""The market's regime at each row of a panel, from its pairs taken together."""

from __future__ import annotations

import numpy as np
import pandas as pd

from agent_market.factors.panel import Array, CandlePanel
from agent_market.features.features import market_features
from agent_market.features.regime import regime


def market_regimes(panel: CandlePanel) -> Array:
    """Label of each row (`features.regime.REGIMES`), from an index of all pairs in equal parts. Causal."""
    growth = pd.DataFrame(np.log(panel.columns["close"]).T).diff().mean(axis=1).fillna(0.0)
    index = np.exp(growth.cumsum()).to_numpy()
    volume = np.nansum(panel.columns["volume"], axis=0)
    candles = pd.DataFrame(
        {"date": panel.times, "open": index, "high": index, "low": index, "close": index, "volume": volume}
    )
    features = market_features(candles)
    pairs = zip(features["trend"], features["volatility_percentile"], strict=True)
    return np.array([regime({"trend": t, "volatility_percentile": v}) for t, v in pairs])
