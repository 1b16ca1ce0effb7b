"""What a policy trades on: stretches of FreqAI's rows as a market, and the position that the bot is in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from freqtrade.persistence import Trade

from agent_market.errors import DataError
from agent_market.rl.env.account import ENTER_LONG, ENTER_SHORT, EXIT_LONG, EXIT_SHORT
from agent_market.rl.env.market import MarketArrays, join_markets, market_arrays
from agent_market.utils.arrays import Floats


def stretches(
    candles: pd.DataFrame, rows: pd.Index, features: pd.DataFrame, funding: tuple[Floats, Floats] | None
) -> MarketArrays:
    """The chosen rows as a market; where rows are missing between them, a new stretch begins.

    :param rows: labels of `candles`, in order; `features` has one row for each.
    :param funding: arrays over all of `candles`.
    :raises DataError: if nothing is left.
    """
    at = candles.index.get_indexer(rows)
    cuts = np.flatnonzero(np.diff(at) != 1) + 1
    markets = []
    for part in np.split(np.arange(len(at)), cuts):
        due = None if funding is None else (funding[0][at[part]], funding[1][at[part]])
        if len(part):
            markets.append(market_arrays(candles.iloc[at[part]], features.iloc[part], due))
    if not markets:
        raise DataError("no candle to train on; see FreqAI's own warnings above")
    return join_markets(markets)


def position_after(action: int, position: float, can_short: bool) -> float:
    """Where one of the five orders leads from a position of -1, 0 or 1."""
    if position == 0.0:
        return {ENTER_LONG: 1.0, ENTER_SHORT: -1.0 if can_short else 0.0}.get(action, 0.0)
    leaves = action == (EXIT_LONG if position > 0.0 else EXIT_SHORT)
    return 0.0 if leaves else position


def open_position(pair: str, price: float, now: Any) -> tuple[float, float, float]:
    """The bot's open trade of `pair`: side (-1, 0, 1), return since entry at `price`, and age in seconds."""
    for trade in Trade.get_trades_proxy(pair=pair, is_open=True):
        side = -1.0 if trade.is_short else 1.0
        age = max((now - trade.open_date_utc).total_seconds(), 0.0)
        return side, side * (price / trade.open_rate - 1.0), age
    return 0.0, 0.0, 0.0
