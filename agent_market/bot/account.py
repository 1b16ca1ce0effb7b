"""The account as the gate sees it, from freqtrade's trades and wallets: the same in backtests and live."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from freqtrade.persistence import Trade

from agent_market.risk.orders import Book, Holding


def open_trades() -> list[Any]:
    """All open trades, those whose first order is not filled yet included."""
    return list(Trade.get_trades_proxy(is_open=True))


def book_of(strategy: Any, close_of: Callable[[str], float | None]) -> Book:
    """Equity (free funds, stakes, unrealised profit at the last closes), free funds and holdings.

    :param close_of: newest known close of a pair; None = not known, then its profit counts as 0.
    """
    trades = open_trades()
    wallets = strategy.wallets
    if "available_capital" in strategy.config:
        free = float(wallets.get_available_stake_amount())
    else:
        free = float(wallets.get_free(strategy.config["stake_currency"]))
    stakes = sum(float(trade.stake_amount) for trade in trades)
    return Book(
        equity=free + stakes + unrealised(trades, close_of),
        free=free,
        holdings=tuple(holding_of(trade, strategy.stoploss) for trade in trades),
    )


def unrealised(trades: Iterable[Any], close_of: Callable[[str], float | None]) -> float:
    """Profit of the open positions at the last closes, before fees of leaving, in stake currency."""
    profit = 0.0
    for trade in trades:
        close = close_of(trade.pair)
        if close is not None and trade.amount:
            profit += sign_of(trade) * (close - trade.open_rate) * trade.amount
    return profit


def holding_of(trade: Any, stoploss: float) -> Holding:
    """Position and open entry orders of one trade.

    The stop is where freqtrade has it, with a stop behind the open rate as no loss; an order that is not
    filled yet counts with the strategy's stop.
    """
    sign, rate = sign_of(trade), float(trade.open_rate)
    leverage = float(trade.leverage or 1.0)
    wide = abs(stoploss) / leverage
    filled = float(trade.amount or 0.0) * rate
    waiting = sum(
        float(order.safe_remaining) * float(order.safe_price)
        for order in trade.open_orders
        if order.ft_order_side == trade.entry_side
    )
    distance = wide if not trade.stop_loss else max(sign * (rate - float(trade.stop_loss)) / rate, 0.0)
    return Holding(trade.pair, sign, filled + waiting, filled * distance + waiting * wide)


def sign_of(trade: Any) -> int:
    return -1 if trade.is_short else 1
