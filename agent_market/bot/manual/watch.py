"""What puts orders on the sheet for a human: orders that fail, and an exchange that is silent."""

from __future__ import annotations

from datetime import UTC, datetime

from freqtrade.exceptions import InsufficientFundsError, InvalidOrderException
from freqtrade.persistence import LocalTrade
from freqtrade.strategy import timeframe_to_next_date

from agent_market.bot.account import open_trades
from agent_market.bot.freqtrade_internals.freqtrade import OrderSent
from agent_market.bot.manual.manual_orders import ManualOrder, ManualSheet, Position
from agent_market.bot.risk_engine import RiskEngine

REFUSED = (InvalidOrderException, InsufficientFundsError)
"""The exchange answered that it will not take the order: a human would be told the same."""


class ManualWatch:
    """Everything but `silent` is called on the bot's thread."""

    def __init__(self, desk: RiskEngine, sheet: ManualSheet, after_s: float) -> None:
        """:param after_s: seconds without an answer from the exchange after which stops are listed."""
        self._desk = desk
        self._after_s = after_s
        self.sheet = sheet

    def hold(self) -> None:
        """Take note of the open trades, once an iteration."""
        self.sheet.holds(position_of(trade) for trade in open_trades() if trade.amount)

    def silent(self, seconds: float) -> None:
        """The exchange has not answered for so long; any thread."""
        self.sheet.exchange_silent(seconds, self._after_s)

    def placed(self, order: OrderSent) -> None:
        """The exchange took an order."""
        self.sheet.placed(order.pair, order.side, _trade_closed_by(order))

    def failed(self, order: OrderSent, error: Exception) -> None:
        """An order did not get through."""
        if isinstance(error, REFUSED):
            return
        now, trade = datetime.now(UTC), _trade_closed_by(order)
        self.sheet.failed(
            ManualOrder(
                pair=order.pair,
                side=order.side,
                type="market" if order.type == "market" else "limit",
                price=order.rate,
                size=order.size,
                why=f"{_cause(error)}; it may have got through, so look at the exchange first",
                at=now,
                trade=trade,
                leverage=order.leverage,
                until=None if trade else timeframe_to_next_date(self._desk.strategy.timeframe, now),
            )
        )

    def not_sold(self, trade_id: str, why: str, error: Exception) -> None:
        """A sale of a whole position at market did not even get to be an order."""
        trade = next((t for t in open_trades() if str(t.id) == trade_id), None)
        if trade is None or not trade.amount:
            return
        position = position_of(trade)
        self.sheet.failed(
            ManualOrder(
                pair=position.pair,
                side=position.closes_by,
                type="market",
                price=self._desk.market.close(position.pair) or float(trade.open_rate),
                size=position.size,
                why=f"{why}: {_cause(error)}",
                at=datetime.now(UTC),
                trade=position.trade,
                leverage=position.leverage,
            )
        )


def position_of(trade: LocalTrade) -> Position:
    """What closes a trade of freqtrade by hand."""
    return Position(
        trade=str(trade.id),
        pair=trade.pair,
        closes_by=trade.exit_side,
        size=float(trade.amount),
        stop=float(trade.stop_loss or 0.0),
        leverage=float(trade.leverage or 1.0),
    )


def _trade_closed_by(order: OrderSent) -> str:
    """Number of the trade that the order closes (a part of); empty for an entry."""
    held = (t for t in open_trades() if t.pair == order.pair and t.exit_side == order.side)
    return next((str(trade.id) for trade in held), "")


def _cause(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
