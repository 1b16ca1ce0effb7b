"""Follow given actions over a market in one compiled loop: what a rule would have made, fill by fill."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agent_market.errors import ConfigError
from agent_market.rl.env.account import ACCOUNT, FILL, FILLS_PER_CANDLE, replay, rules_of
from agent_market.rl.env.batch import ranges_of
from agent_market.rl.env.market import RANGE, MarketArrays
from agent_market.rl.env.settings import EnvSettings
from agent_market.utils.arrays import Floats


@dataclass(frozen=True, slots=True)
class Replay:
    """One account's way through a market.

    :param equity: (T,) value at each candle's close in stake currency; NaN before a stretch's first decision
        and after a drawdown stop. Every stretch starts from the balance.
    :param fills: (F,) of dtype `FILL`, in order of time; `CAUSES` names the `cause`.
    """

    equity: Floats
    fills: np.ndarray


def replay_actions(market: MarketArrays, settings: EnvSettings, actions: Floats) -> Replay:
    """Play `actions` through every stretch of the market, flat at the start of each.

    Some thousand times faster than stepping a `TradingEnv`, and equal to it to the last bit.

    :param actions: (T,) the action decided at each candle's close, of the settings' action set; for `target`
        the depth to hold. Rows before a stretch's first decision and after its last are not read.
    :raises ConfigError: if `actions` has another length, or an exit is set that the market has no ranges for.
    :raises DataError: if no stretch is long enough for an episode.
    :raises ValueError: for a number that is no action, with its row.

    Example: always long, with a stop 3 ATRs away, out after two days at most::

        market = market_arrays(candles, features, ranges=price_ranges(candles))
        settings = EnvSettings(stop=StopRule(rule="atr"), hold_most=48)
        result = replay_actions(market, settings, np.full(len(market), 2.0))
        result.equity[-1] / settings.balance - 1.0
    """
    values = np.ascontiguousarray(actions, dtype=np.float64)
    if values.shape != (len(market),):
        raise ConfigError(f"actions of shape {values.shape} for {len(market)} candles; give one for each")
    ranges = ranges_of(market, settings)
    rules = rules_of(settings)
    rules["exits"] = True  # this path notes the fills; without a rule of its own it is the other, bit for bit
    if not len(ranges):
        ranges = np.zeros(len(market), RANGE)
    equity = np.full(len(market), np.nan)
    parts = []
    starts, lasts = market.episodes(settings.window, None)
    for start, last in zip(starts, lasts, strict=True):
        account = np.zeros(1, ACCOUNT)
        account["row"], account["last"] = start, last
        for money in ("cash", "equity", "peak"):
            account[money] = settings.balance
        account["square"] = settings.sharpe_prior**2
        fills = np.zeros(FILLS_PER_CANDLE * (last - start), FILL)
        count, bad = replay(account, market.candles, ranges, values, rules, equity, fills)
        if bad >= 0:
            raise ValueError(f"{values[bad]} (row {bad}) is no action of `{settings.actions}`")
        parts.append(fills[:count].copy())
    return Replay(equity, np.concatenate(parts))
