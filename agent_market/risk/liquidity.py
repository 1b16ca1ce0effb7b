"""What an order may take of what the market offers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from agent_market.config import LiquidityLimits
from agent_market.risk.orders import Liquidity
from agent_market.utils.arrays import Floats

Levels = Sequence[Sequence[float]]


def book_liquidity(bids: Levels, asks: Levels, sign: int, band: float) -> tuple[float | None, float | None]:
    """Spread / mid, and the value offered within `band` of mid on the side that the order takes.

    :param bids: rows of (price, amount), best first; `asks` alike. An empty side gives (None, 0).
    """
    if not bids or not asks:
        return None, 0.0
    mid = (bids[0][0] + asks[0][0]) / 2
    spread = (asks[0][0] - bids[0][0]) / mid
    side = asks if sign > 0 else bids
    return spread, float(sum(p * a for p, a, *_ in side if abs(p - mid) <= band * mid))


def usual_value(close: Floats, volume: Floats, candles: int) -> float | None:
    """Median of close x volume over the newest candles that traded; None without one."""
    value = (close * volume)[-candles:]
    traded = value[np.isfinite(value) & (value > 0.0)]
    return float(np.median(traded)) if len(traded) else None


def too_wide(liquidity: Liquidity, limits: LiquidityLimits) -> bool:
    return liquidity.spread is not None and liquidity.spread > limits.max_spread


def depth_room(liquidity: Liquidity, limits: LiquidityLimits) -> float | None:
    """Most notional by the order book; None where it is not known."""
    return None if liquidity.depth is None else limits.depth_share * liquidity.depth


def volume_room(liquidity: Liquidity, limits: LiquidityLimits) -> float | None:
    """Most notional by traded value; None where it is not known."""
    return None if liquidity.candle_value is None else limits.volume_share * liquidity.candle_value
