"""The bounded vector by which memory compares two moments.

Fixed transforms only: a scaler fitted on data would let later candles move earlier vectors. Each
component lies in [-1, 1] and is centred on the ordinary market, so Euclidean distance weighs them alike.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from agent_market.errors import DataError
from agent_market.features.features import RETURN_HORIZONS, VOLATILITY_FLOOR

_RETURNS = {f"return_{horizon}": horizon for horizon in RETURN_HORIZONS}
_SCALED = {"trend": 2.0, "macd_hist": 0.5, "bollinger_z": 2.0, "volume_z": 2.0}
_SHARES = ("rsi_14", "volatility_percentile", "channel_position", "downside_share_72")
_SIGNED = ("efficiency_24", "volume_balance_24")

STATE_FEATURES: tuple[str, ...] = (*_RETURNS, *_SCALED, *_SHARES, *_SIGNED, "volatility_ratio", "drawdown")
"""The feature behind each component, in order. `volatility_24` scales the returns and the drawdown."""

STATE_DIM = len(STATE_FEATURES)


def state_matrix(features: pd.DataFrame) -> npt.NDArray[np.float32]:
    """State vectors, one row per row of `features`.

    * returns over h candles: tanh(x / (2 v sqrt(h))), v = max(volatility_24, 1e-5);
    * trend, MACD, Bollinger and volume scores: tanh(x / scale), scale 2, 0.5, 2, 2;
    * shares in 0..1: 2 x - 1; shares in -1..1 as they are;
    * volatility ratio: tanh(ln x); drawdown: 2 tanh(x / (2 v sqrt(168))) - 1.

    :param features: the output of `market_features`, T rows (any of them; rows are independent).
    :return: float32 (T, STATE_DIM), values in [-1, 1]. A row with any input missing is NaN throughout.
    :raises DataError: a feature is not among the columns.
    """
    needed = (*STATE_FEATURES, "volatility_24")
    missing = [name for name in needed if name not in features]
    if missing:
        raise DataError(f"state needs the features {', '.join(missing)}; got {', '.join(features.columns)}")
    x = {name: features[name].to_numpy(dtype=np.float64) for name in needed}
    volatility = np.maximum(x["volatility_24"], VOLATILITY_FLOOR)
    columns = [
        *(np.tanh(x[name] / (2.0 * volatility * np.sqrt(horizon))) for name, horizon in _RETURNS.items()),
        *(np.tanh(x[name] / scale) for name, scale in _SCALED.items()),
        *(2.0 * x[name] - 1.0 for name in _SHARES),
        *(x[name] for name in _SIGNED),
        np.tanh(np.log(x["volatility_ratio"])),
        2.0 * np.tanh(x["drawdown"] / (2.0 * volatility * np.sqrt(168))) - 1.0,
    ]
    matrix = np.column_stack(columns).astype(np.float32)
    matrix[np.isnan(matrix).any(axis=1)] = np.nan
    return matrix
