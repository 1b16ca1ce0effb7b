"""The order gate of a backtest: cut what a strategy's callbacks return to every limit.

Live, `bot.gate.entry_gate` sizes entries with the order book, and stakes pass here unchanged.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from freqtrade.enums import RunMode

from agent_market.bot.gate.splits import let_parts_follow
from agent_market.bot.journal.journal import clamp_json
from agent_market.bot.risk_engine import fill_sign
from agent_market.risk.execution import Fill
from agent_market.risk.orders import EntryRequest

if TYPE_CHECKING:
    from freqtrade.persistence import LocalTrade, Order

    from agent_market.strategy.guarded import GuardedStrategy


def capped_leverage(strategy: GuardedStrategy, wanted: float, max_leverage: float) -> float:
    """Clip a leverage to [1, the least of freqtrade's maximum and `risk.entry.leverage`]."""
    return max(1.0, min(float(wanted), float(max_leverage), strategy.settings.risk.entry.leverage))


def sized_stake(strategy: GuardedStrategy, request: EntryRequest, now: datetime) -> float:
    """Cut the stake of a backtest's entry to every limit and note each clamp; live it passes unchanged.

    :param now: the backtest's time; naive = UTC.
    :return: stake to order, in stake currency; 0 orders nothing. With `risk.liquidity.split`, what liquidity
        cut off follows later through `due_stake`.
    """
    desk = strategy.desk
    if desk.market.live:
        return request.stake
    desk.catch_up(utc(now))
    if desk.breaker.frozen:
        return 0.0
    sized = desk.size(request)
    if sized.clamps and strategy.config.get("runmode") != RunMode.HYPEROPT:
        desk.journal.note(
            "clamps",
            request.pair,
            request.tag,
            candle=now.isoformat(),
            side=request.side,
            clamps=clamp_json(sized.clamps),
        )
    if sized.stake > 0.0 and strategy.settings.risk.liquidity.split:
        worth = sized.left_over if sized.left_over >= max(request.min_stake, 1e-9) else 0.0
        desk.splits.note(request.pair, request.tag, worth, utc(now))
        if worth > 0.0:
            let_parts_follow(strategy)
    return sized.stake


def due_stake(strategy: GuardedStrategy, trade: LocalTrade, now: datetime) -> float | None:
    """Stake of the next part of a split order; None if none is due."""
    splits = strategy.desk.splits
    if not len(splits) or trade.has_open_orders:
        return None
    return splits.due(trade.pair, trade.enter_tag or "", utc(now)) or None


def added_stake(
    strategy: GuardedStrategy,
    wanted: Any,
    trade: LocalTrade,
    now: datetime,
    rate: float,
    min_stake: float | None,
) -> Any:
    """Cut the return of `adjust_trade_position` (a stake, or a stake and a tag) as `sized_stake` does."""
    stake, tag = wanted if isinstance(wanted, tuple) else (wanted, None)
    if stake is None or stake <= 0.0:
        return wanted
    if strategy.desk.breaker.frozen:
        return None
    request = EntryRequest(
        pair=trade.pair,
        side="short" if trade.is_short else "long",
        rate=rate,
        stake=float(stake),
        leverage=float(trade.leverage or 1.0),
        tag=trade.enter_tag or "",
        mode="pos_adjust",
        min_stake=float(min_stake or 0.0),
        trade=trade,
    )
    sized = sized_stake(strategy, request, now)
    return (sized or None, tag) if tag is not None else (sized or None)


def fill_of(trade: LocalTrade, order: Order, now: datetime) -> Fill:
    """The fill of an order, with the price it was planned at."""
    planned = float(order.ft_price or order.price or order.safe_price)
    return Fill(
        pair=trade.pair,
        sign=fill_sign(trade, order),
        planned=planned,
        reached=float(order.safe_price),
        ordered_at=utc(order.order_date_utc),
        filled_at=utc(order.order_filled_utc or now),
    )


def utc(moment: datetime) -> datetime:
    """Make a time aware: backtests pass naive UTC times."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
