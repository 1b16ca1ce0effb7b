"""Daily mark-to-close equity of a list of trades, and of buying and holding.

Why not freqtrade's own figures alone: its trade statistics see a trade only when it closes, so a position
under water for a month shows no drawdown, and its wallet history does not price futures positions.  Here
every open position is priced at the close of the newest complete candle, less the fee of leaving it:

    equity(t) = starting balance + sum of profit of the trades closed by t
                                 + sum over open trades of (cash flows of its fills so far
                                                            + position x close(t) - fee of closing it)

At the moment a trade closes its line is set to freqtrade's `profit_abs`; funding and interest, which
freqtrade books on the trade as a whole, therefore enter there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from freqtrade.exchange import timeframe_to_seconds

from agent_market.candles import closes_at
from agent_market.stats.metrics import drawdown

HALF_DAY = pd.Timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class EquityCurve:
    """`equity`: value of the account in stake currency; `invested`: gross value of what it holds;
    `drawdown`: fall from the highest value so far, as a fraction of it.

    All are indexed by the same UTC times; the first value is the starting balance.
    """

    equity: pd.Series
    invested: pd.Series
    drawdown: pd.Series

    def at(self, grid: pd.DatetimeIndex) -> EquityCurve:
        """The curve at fewer times: values as they are then, the drawdown at its worst since the time before.

        :param grid: times of the curve, among them its first and last.
        """
        step = grid.searchsorted(pd.DatetimeIndex(self.drawdown.index))
        worst = self.drawdown.groupby(grid[step]).max()
        return EquityCurve(self.equity.loc[grid], self.invested.loc[grid], worst)


@dataclass(frozen=True, slots=True)
class Fill:
    """One filled order: `amount` of base currency (positive = bought) at `price`; `fee` is a fraction."""

    at: pd.Timestamp
    amount: float
    price: float
    fee: float

    @property
    def cash(self) -> float:
        return -self.amount * self.price - self.cost

    @property
    def cost(self) -> float:
        return abs(self.amount) * self.price * self.fee


def daily_grid(start: datetime, end: datetime) -> pd.DatetimeIndex:
    """`start`, every midnight UTC in between, and `end`.

    A piece of less than half a day at either side joins its neighbour, so that each step counts as about
    one day; a span of no length is the one point.
    """
    first, last = pd.Timestamp(start).as_unit("ns"), pd.Timestamp(end).as_unit("ns")
    midnights = pd.date_range(first.normalize(), last.normalize(), freq="D")
    inner = [t for t in midnights if t - first >= HALF_DAY and last - t >= HALF_DAY]
    return pd.DatetimeIndex([first, *inner, last]).unique()


def candle_grid(start: datetime, end: datetime, timeframe: str) -> pd.DatetimeIndex:
    """Every close of a candle from `start` to `end`, and the times of `daily_grid`."""
    first, last = pd.Timestamp(start).as_unit("ns"), pd.Timestamp(end).as_unit("ns")
    closes = pd.date_range(first, last, freq=pd.Timedelta(seconds=timeframe_to_seconds(timeframe)))
    return closes.as_unit("ns").union(daily_grid(start, end))


def equity_curve(
    trades: pd.DataFrame,
    candles: Mapping[str, pd.DataFrame],
    grid: pd.DatetimeIndex,
    starting_balance: float,
    timeframe: str,
) -> EquityCurve:
    """Value the account at each time of `grid`.

    A trade of a pair without candles (or before its first one) stands at the price of its last fill.
    """
    equity = np.full(len(grid), float(starting_balance))
    invested = np.zeros(len(grid))
    marks = {pair: closes_at(frame, grid, timeframe) for pair, frame in candles.items()}
    unknown = np.full(len(grid), np.nan)
    for trade in trades.to_dict("records"):
        profit, held = _trade_line(trade, grid, marks.get(trade["pair"], unknown))
        equity += profit
        invested += held
    equity[0], invested[0] = starting_balance, 0.0  # before anything is traded at the first open
    values = pd.Series(equity, index=grid)
    return EquityCurve(values, pd.Series(invested, index=grid), drawdown(values))


def fills_of(trade: Mapping[Any, Any]) -> tuple[Fill, ...]:
    """The filled orders of one row of freqtrade's trades, oldest first; shorts sell first."""
    side = -1.0 if trade["is_short"] else 1.0
    orders = trade.get("orders")
    if not isinstance(orders, list) or not orders:
        amount = float(trade["amount"])
        return (
            Fill(trade["open_date"], side * amount, float(trade["open_rate"]), float(trade["fee_open"])),
            Fill(trade["close_date"], -side * amount, float(trade["close_rate"]), float(trade["fee_close"])),
        )
    fills = [
        Fill(
            at=pd.Timestamp(order["order_filled_timestamp"], unit="ms", tz="UTC"),
            amount=(side if order["ft_is_entry"] else -side) * float(order["amount"]),
            price=float(order["safe_price"]),
            fee=float(trade["fee_open"] if order["ft_is_entry"] else trade["fee_close"]),
        )
        for order in orders
        if order["order_filled_timestamp"]
    ]
    return tuple(sorted(fills, key=lambda fill: fill.at))


def costs_paid(trades: pd.DataFrame) -> float:
    """Fees of all fills plus funding paid (funding received counts against it), in stake currency."""
    total = 0.0
    for trade in trades.to_dict("records"):
        total += sum(fill.cost for fill in fills_of(trade))
        funding = trade.get("funding_fees")
        total -= float(funding) if funding is not None and not pd.isna(funding) else 0.0
    return total


def buy_and_hold(
    candles: Mapping[str, pd.DataFrame],
    pairs: tuple[str, ...],
    grid: pd.DatetimeIndex,
    starting_balance: float,
    fee: float,
    timeframe: str,
) -> tuple[EquityCurve, float] | None:
    """Equal parts of the whole balance put into each pair at the open of its first candle, and kept.

    Sold at the open of the last candle, as freqtrade does with what is left at the end; `fee` is paid on both
    sides.  A part whose pair starts later waits in cash.

    :returns: the curve and the fees paid in stake currency, or None if a pair has no candles.
    """
    if not pairs or any(pair not in candles for pair in pairs):
        return None
    held = pd.DataFrame([_held(candles[pair], pair, starting_balance / len(pairs), fee) for pair in pairs])
    return equity_curve(held, candles, grid, starting_balance, timeframe), costs_paid(held)


def _held(candles: pd.DataFrame, pair: str, part: float, fee: float) -> dict[str, Any]:
    """One pair bought and kept, written as the trade that freqtrade would have recorded."""
    bought, sold = float(candles["open"].iloc[0]), float(candles["open"].iloc[-1])
    amount = part / (bought * (1 + fee))
    return {
        "pair": pair,
        "is_short": False,
        "amount": amount,
        "open_date": candles["date"].iloc[0],
        "close_date": candles["date"].iloc[-1],
        "open_rate": bought,
        "close_rate": sold,
        "fee_open": fee,
        "fee_close": fee,
        "profit_abs": amount * sold * (1 - fee) - part,
    }


def _trade_line(
    trade: Mapping[Any, Any], grid: pd.DatetimeIndex, marks: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Profit so far and gross value held of one trade at each time of the grid."""
    profit, held = np.zeros(len(grid)), np.zeros(len(grid))
    fills = fills_of(trade)
    closed_from = int(grid.searchsorted(pd.Timestamp(trade["close_date"])))
    profit[closed_from:] = float(trade["profit_abs"])
    starts = [min(int(grid.searchsorted(fill.at)), closed_from) for fill in fills]
    cash = amount = 0.0
    for fill, begin, end in zip(fills, starts, [*starts[1:], closed_from], strict=True):
        cash += fill.cash
        amount += fill.amount
        price = np.where(np.isnan(marks[begin:end]), fill.price, marks[begin:end])
        value = np.abs(amount) * price
        held[begin:end] = value
        profit[begin:end] = cash + amount * price - value * float(trade["fee_close"])
    return profit, held
