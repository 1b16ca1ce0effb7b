"""A trade of freqtrade, with its filled orders, as the store keeps it."""

from __future__ import annotations

from datetime import UTC, datetime

from freqtrade.persistence import Order, Trade

from agent_market.records import decision_of
from agent_market.store.trades import FillRecord, Mirrored, TradeRecord


def mirrored(trade: Trade, simulated: bool) -> Mirrored:
    """The state of a trade now.

    :param simulated: of a dry-run.
    """
    filled = [order for order in trade.orders if order.safe_filled > 0.0 and not order.ft_is_open]
    opened_at = moment_of(trade.open_date)
    worth = {order.order_id: order.safe_filled * order.safe_price for order in filled}
    fee = sum(
        worth[order.order_id] * float((trade.fee_open if _is_entry(trade, order) else trade.fee_close) or 0.0)
        for order in filled
    )
    closed = not trade.is_open and trade.close_date is not None
    best, worst = _excursions(trade)
    record = TradeRecord(
        trade_id=int(trade.id),
        opened_at=opened_at,
        pair=trade.pair,
        side="short" if trade.is_short else "long",
        closed_at=moment_of(trade.close_date) if closed and trade.close_date else None,
        open_rate=float(trade.open_rate),
        close_rate=float(trade.close_rate) if closed and trade.close_rate is not None else None,
        stake=float(trade.stake_amount),
        leverage=float(trade.leverage or 1.0),
        amount=float(trade.amount or 0.0),
        profit=float((trade.close_profit_abs if closed else trade.realized_profit) or 0.0),
        ratio=float(trade.close_profit or 0.0) if closed else None,
        costs=fee - float(trade.funding_fees or 0.0),
        exit_reason=str(trade.exit_reason or ""),
        tag=str(trade.enter_tag or ""),
        decision=decision_of(trade.enter_tag) or None,
        mfe=best,
        mae=worst,
    )
    return Mirrored(record, tuple(_fill(trade, order, opened_at, simulated) for order in filled))


def _fill(trade: Trade, order: Order, opened_at: datetime, simulated: bool) -> FillRecord:
    ordered = order.order_date.replace(tzinfo=UTC)
    at = (order.order_filled_date or order.order_update_date or order.order_date).replace(tzinfo=UTC)
    entry = _is_entry(trade, order)
    return FillRecord(
        order_id=str(order.order_id),
        trade_id=int(trade.id),
        opened_at=opened_at,
        pair=trade.pair,
        side="buy" if entry != bool(trade.is_short) else "sell",
        part="entry" if entry else "exit",
        planned=float(order.ft_price or order.price or order.safe_price),
        reached=float(order.safe_price),
        size=float(order.safe_filled),
        ordered_at=ordered.replace(microsecond=0),
        at=at.replace(microsecond=0),
        seconds=max((at - ordered).total_seconds(), 0.0),
        simulated=simulated,
    )


def _is_entry(trade: Trade, order: Order) -> bool:
    return bool(order.ft_order_side == trade.entry_side)


def _excursions(trade: Trade) -> tuple[float | None, float | None]:
    """(best, worst) on the way, as fractions of the open rate; None before freqtrade has seen a candle."""
    opened, high, low = float(trade.open_rate or 0.0), trade.max_rate, trade.min_rate
    if not opened or not high or not low:
        return None, None
    up, down = float(high) / opened - 1.0, float(low) / opened - 1.0
    return (-down, -up) if trade.is_short else (up, down)


def moment_of(naive: datetime) -> datetime:
    """Freqtrade stores naive UTC; ours are whole seconds."""
    return naive.replace(tzinfo=UTC, microsecond=0)
