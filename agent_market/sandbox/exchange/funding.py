"""Funding of the perpetuals, by a rule.

Mark and index price are the last price (no basis is modelled), so Binance's premium index would be zero.
In its place the rate leans with the market: 0.01 % per eight hours, which is Binance's interest rate, plus
2 % of the price's return over the last 24 hours, the sum within +-0.3 %. It is known when it is charged:
it depends on no price after its own time.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from agent_market.sandbox.exchange.quote import quote
from agent_market.sandbox.exchange.symbols import Symbol
from agent_market.sandbox.market import Market
from agent_market.sandbox.market.candles import DAY, HOUR

INTERVAL = 8 * HOUR
INTEREST = 0.0001
LEAN = 0.02
LIMIT = 0.003


def funding_rate(day_return: np.ndarray | float) -> np.ndarray:
    """Rate of one interval as a fraction, from the return of the 24 hours before it."""
    return np.clip(INTEREST + LEAN * np.asarray(day_return), -LIMIT, LIMIT)


def history(
    market: Market, symbol: Symbol, start: int | None, end: int | None, limit: int
) -> list[dict[str, Any]]:
    """Rows of `/fapi/v1/fundingRate` with start <= time <= end: the first `limit`, without a start the last.

    A time without a candle an hour before it or 25 hours before it has no row (the first day, and gaps).
    """
    first, known = market.span(symbol.pair)
    last = min(known, known if end is None else end) // INTERVAL * INTERVAL
    begin = last - (limit - 1) * INTERVAL if start is None else start
    begin = -(-max(begin, first) // INTERVAL) * INTERVAL
    times = np.arange(begin, min(last, begin + (limit - 1) * INTERVAL) + 1, INTERVAL)
    if not len(times):
        return []
    price = _closes_at(market, symbol, np.concatenate([times - DAY, times]))
    before, after = price[: len(times)], price[len(times) :]
    rates = funding_rate(after / before - 1)
    return [
        {
            "symbol": symbol.id,
            "fundingTime": time,
            "fundingRate": f"{rate:.8f}",
            "markPrice": symbol.price(mark),
        }
        for time, rate, mark in zip(times.tolist(), rates.tolist(), after.tolist(), strict=True)
        if np.isfinite(rate)
    ]


def premium(market: Market, symbol: Symbol) -> dict[str, Any]:
    """One row of `/fapi/v1/premiumIndex`: mark and index price, and the rate that would be charged now."""
    now, last = market.now(), symbol.price(quote(market, symbol).last)
    rows = history(market, symbol, None, None, 1)
    return {
        "symbol": symbol.id,
        "markPrice": last,
        "indexPrice": last,
        "estimatedSettlePrice": last,
        "lastFundingRate": rows[-1]["fundingRate"] if rows else f"{INTEREST:.8f}",
        "interestRate": f"{INTEREST:.8f}",
        "nextFundingTime": (now // INTERVAL + 1) * INTERVAL,
        "time": now,
    }


def _closes_at(market: Market, symbol: Symbol, times: np.ndarray) -> np.ndarray:
    """Close of the hour that ends at each time; NaN where there is no such candle."""
    begin, end = int(times.min()) - HOUR, int(times.max())
    hours = market.candles(symbol.pair, "1h", begin, end)
    at = np.searchsorted(hours.time, times - HOUR)
    found = at < len(hours)
    found[found] = hours.time[at[found]] == times[found] - HOUR
    closes = np.full(len(times), np.nan)
    closes[found] = hours.close[at[found]]
    return closes
