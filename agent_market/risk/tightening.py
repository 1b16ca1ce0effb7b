"""Limits shrink with volatility: usual over present volatility, never above 1, never below the floor."""

from __future__ import annotations

import numpy as np

from agent_market.config import TighteningSettings
from agent_market.utils.arrays import Floats


def tightening(returns: Floats, settings: TighteningSettings) -> float:
    """What is left of a limit, in [settings.floor, 1].

    Deviation of the newest `slow_candles` returns over that of the newest `fast_candles`; 1 with fewer than
    `slow_candles` returns or without any movement.

    :param returns: (T,) candle returns, newest last, finite.
    """
    if len(returns) < settings.slow_candles:
        return 1.0
    present = float(np.std(returns[-settings.fast_candles :]))
    usual = float(np.std(returns[-settings.slow_candles :]))
    return 1.0 if present <= 0.0 else float(np.clip(usual / present, settings.floor, 1.0))


def volatility_ratio(returns: Floats, settings: TighteningSettings) -> float | None:
    """Present over usual volatility; None where it cannot be said.

    The usual one is that of the candles before the present ones: with these in it, 24 of 240 candles could
    never be more than sqrt(240 / 24) = 3.2 times the usual, however wild.
    """
    fast, slow = settings.fast_candles, settings.slow_candles
    before = returns[-slow:-fast]
    if len(returns) < slow or len(before) < 2:
        return None
    usual = float(np.std(before))
    return float(np.std(returns[-fast:])) / usual if usual > 0.0 else None
