"""The gate of a backtest: what a strategy's callbacks ask for, cut to every limit.

Live, `bot.gate.entry_gate` sizes, with the order book at hand, and stakes pass here as they are.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from freqtrade.enums import RunMode

from agent_market.bot.gate.splits import let_parts_follow
from agent_market.bot.journal.journal import clamp_json
from agent_market.bot.risk_engine import fill_sign
from agent_market.risk.execution import Fill

if TYPE_CHECKING:
    from agent_market.strategy.guarded import GuardedStrategy


def capped_leverage(strategy: GuardedStrategy, wanted: float, max_leverage: float) -> float:
    """At least 1, and no more than freqtrade and the limit allow."""
    return max(1.0, min(float(wanted), float(max_leverage), strategy.settings.risk.entry.leverage))


def sized_stake(
    strategy: GuardedStrategy,
    stake: float,
    pair: str,
    now: datetime,
    rate: float,
    min_stake: float | None,
    leverage: float,
    tag: str | None,
    side: str,
    trade: Any = None,
) -> float:
    """`stake` cut to every limit, each clamp noted; 0 = no order. What liquidity cut off may follow later."""
    desk = strategy.desk
    if desk.market.live:
        return stake
    desk.catch_up(utc(now))
    if desk.breaker.frozen:
        return 0.0
    sized = desk.size(pair, side, rate, stake, leverage, min_stake, trade)
    if sized.clamps and strategy.config.get("runmode") != RunMode.HYPEROPT:
        desk.journal.note(
            "clamps", pair, tag or "", candle=now.isoformat(), side=side, clamps=clamp_json(sized.clamps)
        )
    if sized.stake > 0.0 and strategy.settings.risk.liquidity.split:
        worth = sized.left_over if sized.left_over >= max(min_stake or 0.0, 1e-9) else 0.0
        desk.splits.note(pair, tag or "", worth, utc(now))
        if worth > 0.0:
            let_parts_follow(strategy)
    return sized.stake


def due_stake(strategy: GuardedStrategy, trade: Any, now: datetime) -> float | None:
    """The next part of a split order, if one is due."""
    splits = strategy.desk.splits
    if not len(splits) or trade.has_open_orders:
        return None
    return splits.due(trade.pair, trade.enter_tag or "", utc(now)) or None


def added_stake(
    strategy: GuardedStrategy, wanted: Any, trade: Any, now: datetime, rate: float, min_stake: float | None
) -> Any:
    """What `adjust_trade_position` wants (a stake, or a stake and a tag), cut as `sized_stake` does."""
    stake, tag = wanted if isinstance(wanted, tuple) else (wanted, None)
    if stake is None or stake <= 0.0:
        return wanted
    if strategy.desk.breaker.frozen:
        return None
    side = "short" if trade.is_short else "long"
    leverage = float(trade.leverage or 1.0)
    sized = sized_stake(
        strategy, float(stake), trade.pair, now, rate, min_stake, leverage, trade.enter_tag, side, trade
    )
    return (sized or None, tag) if tag is not None else (sized or None)


def fill_of(trade: Any, order: Any, now: datetime) -> Fill:
    """An order's fill beside its plan."""
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
    """Backtests hand naive times."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
