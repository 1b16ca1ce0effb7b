"""The account as the gate sees it, from freqtrade's trades and wallets: the same in backtests and live."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from freqtrade.enums import RunMode
from freqtrade.persistence import LocalTrade, Trade
from freqtrade.strategy import IStrategy

from agent_market.risk.orders import Book, Holding


def open_trades() -> list[Trade]:
    """All open trades, those whose first order is not filled yet included."""
    return list(Trade.get_trades_proxy(is_open=True))


def book_of(strategy: IStrategy, close_of: Callable[[str], float | None]) -> Book:
    """Equity (free funds, stakes, unrealised profit at the last closes), free funds and holdings.

    An exchange takes the funds of an order that waits, and gives back those of a part that is sold. What
    freqtrade counts itself (a dry run's wallets, `available_capital`) moves once the order is closed.

    :param close_of: newest known close of a pair; None = not known, then its profit counts as 0.
    """
    trades = open_trades()
    wallets = strategy.wallets
    counted = sum(float(trade.stake_amount) for trade in trades)
    stakes = sum(_bound(trade) for trade in trades)
    back = 0.0
    if "available_capital" in strategy.config:
        free = float(wallets.get_available_stake_amount()) - (stakes - counted)
    else:
        free = float(wallets.get_free(strategy.config["stake_currency"]))
        if strategy.config.get("runmode") == RunMode.LIVE:
            back = sum(_given_back(trade) for trade in trades)
        else:
            free -= stakes - counted
    return Book(
        equity=free + stakes - back + unrealised(trades, close_of),
        free=free,
        holdings=tuple(holding_of(trade, strategy.stoploss) for trade in trades),
    )


def unrealised(trades: Iterable[LocalTrade], close_of: Callable[[str], float | None]) -> float:
    """Profit of the open positions at the last closes, before fees of leaving, in stake currency."""
    profit = 0.0
    for trade in trades:
        close = close_of(trade.pair)
        if close is not None and trade.amount:
            profit += sign_of(trade) * (close - trade.open_rate) * trade.amount
    return profit


def holding_of(trade: LocalTrade, stoploss: float) -> Holding:
    """Position and open entry orders of one trade.

    The stop is where freqtrade has it, with a stop behind the open rate as no loss; an order that is not
    filled yet counts whole, with the strategy's stop.
    """
    sign, rate = sign_of(trade), float(trade.open_rate)
    leverage = float(trade.leverage or 1.0)
    wide = abs(stoploss) / leverage
    filled = float(trade.amount or 0.0) * rate
    waiting = _waiting(trade)
    distance = wide if not trade.stop_loss else max(sign * (rate - float(trade.stop_loss)) / rate, 0.0)
    return Holding(trade.pair, sign, filled + waiting, filled * distance + waiting * wide)


def _waiting(trade: LocalTrade) -> float:
    """Notional of the open entry orders, what is filled of them included.

    Freqtrade adds to `trade.amount` what an order filled once it is closed.
    """
    return sum(
        float(order.safe_amount) * float(order.safe_price)
        for order in trade.open_orders
        if order.ft_order_side == trade.entry_side
    )


def _bound(trade: LocalTrade) -> float:
    """Stake in the position and in its open entry orders.

    `stake_amount` is that of the first order until it is closed, and has no further open one in it.
    """
    held = float(trade.stake_amount) if trade.amount else 0.0
    return held + _waiting(trade) / float(trade.leverage or 1.0)


def _given_back(trade: LocalTrade) -> float:
    """Stake and profit that the filled part of an open exit order has brought; `amount` still has it."""
    rate, leverage = float(trade.open_rate), float(trade.leverage or 1.0)
    return sum(
        float(order.safe_filled) * (rate / leverage + sign_of(trade) * (float(order.safe_price) - rate))
        for order in trade.open_orders
        if order.ft_order_side == trade.exit_side
    )


def sign_of(trade: LocalTrade) -> int:
    return -1 if trade.is_short else 1
