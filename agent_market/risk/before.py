"""Before a trade: the largest order that stands within every limit. Rows of data, applied in order.

Each row answers with the threshold, the value seen if the whole order went through, and the largest notional
that it lets through.  A row that binds leaves a `Clamp` whose `before` and `after` are notionals.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from agent_market.config import RiskSettings
from agent_market.records import Clamp
from agent_market.risk.liquidity import depth_room, too_wide, volume_room
from agent_market.risk.orders import Book, Conditions, EntryOrder, Sized
from agent_market.risk.value_at_risk import day_var, var_room

TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Room:
    """How far a limit lets an order go: threshold, value seen, and the most notional."""

    threshold: float
    value: float
    most: float


Cap = Callable[[EntryOrder, Book, Conditions, RiskSettings], Room | None]


def loss_at_stop(entry: EntryOrder, book: Book, conditions: Conditions, settings: RiskSettings) -> Room:
    """The pair's position, all of it, loses at most so much of equity at its stop."""
    threshold = settings.entry.loss_at_stop * conditions.tightening
    open_loss = sum(h.loss_at_stop for h in book.of(entry.pair))
    value = (open_loss + entry.notional * entry.stop_distance) / book.equity
    return Room(threshold, value, (threshold * book.equity - open_loss) / entry.stop_distance)


def symbol_notional(entry: EntryOrder, book: Book, conditions: Conditions, settings: RiskSettings) -> Room:
    """Notional in one pair."""
    threshold = settings.entry.symbol_notional * conditions.tightening
    held = sum(h.notional for h in book.of(entry.pair))
    return Room(threshold, (held + entry.notional) / book.equity, threshold * book.equity - held)


def correlated_exposure(
    entry: EntryOrder, book: Book, conditions: Conditions, settings: RiskSettings
) -> Room:
    """Notional that moves with the new order: sum of max(0, rho x sides) x notional, plus the order.

    An unknown correlation counts as 1, and so does the pair itself, whatever its side.
    """
    threshold = settings.entry.correlated * conditions.tightening
    held = 0.0
    for holding in book.holdings:
        rho = conditions.correlations.get(holding.pair)
        known = rho is not None and holding.pair != entry.pair
        together = max(0.0, (rho or 0.0) * holding.sign * entry.sign) if known else 1.0
        held += together * holding.notional
    return Room(threshold, (held + entry.notional) / book.equity, threshold * book.equity - held)


def risk_budget(entry: EntryOrder, book: Book, conditions: Conditions, settings: RiskSettings) -> Room:
    """One entry takes at most `pair_share` of what is left of this strategy's budget of losses at stops."""
    share = next((r.share for r in settings.budget.strategies if r.strategy == entry.strategy), 1.0)
    budget = settings.budget.book_loss * share * conditions.tightening * book.equity
    left = max(budget - sum(h.loss_at_stop for h in book.holdings), 0.0)
    allowed = settings.budget.pair_share * left
    risk = entry.notional * entry.stop_distance
    return Room(allowed / book.equity, risk / book.equity, allowed / entry.stop_distance)


def gap_loss(entry: EntryOrder, book: Book, conditions: Conditions, settings: RiskSettings) -> Room | None:
    """What the whole book loses where prices gap past every stop; longs and shorts do not offset."""
    limit, gap = settings.budget.gap_loss, settings.budget.gap
    if limit is None:
        return None
    held = sum(h.notional for h in book.holdings)
    return Room(limit, gap * (held + entry.notional) / book.equity, limit * book.equity / gap - held)


def free_funds(entry: EntryOrder, book: Book, conditions: Conditions, settings: RiskSettings) -> Room:
    """What stays free of equity after the stake is taken."""
    threshold = settings.entry.free_funds
    spare = book.free - threshold * book.equity
    return Room(threshold, (book.free - entry.stake) / book.equity, spare * entry.leverage)


def value_at_risk(
    entry: EntryOrder, book: Book, conditions: Conditions, settings: RiskSettings
) -> Room | None:
    """VaR of one day of the book with the order in it."""
    if conditions.book_returns is None or conditions.pair_returns is None:
        return None
    added = conditions.pair_returns * (entry.sign * entry.notional / book.equity)
    limit = settings.value_at_risk
    value = day_var(conditions.book_returns + added, limit, conditions.candles_per_day)
    share = var_room(conditions.book_returns, added, limit, conditions.candles_per_day)
    return Room(limit.limit, value, share * entry.notional)


def execution(entry: EntryOrder, book: Book, conditions: Conditions, settings: RiskSettings) -> Room:
    """Smaller orders where the last fills were poor."""
    share = conditions.execution
    return Room(share, 1.0, entry.notional * share)


def depth(entry: EntryOrder, book: Book, conditions: Conditions, settings: RiskSettings) -> Room | None:
    """The order against the order book."""
    most = depth_room(conditions.liquidity, settings.liquidity)
    offered = conditions.liquidity.depth
    if most is None or offered is None:
        return None
    return Room(settings.liquidity.depth_share, entry.notional / max(offered, TOLERANCE), most)


def volume(entry: EntryOrder, book: Book, conditions: Conditions, settings: RiskSettings) -> Room | None:
    """The order against what a usual candle trades."""
    most = volume_room(conditions.liquidity, settings.liquidity)
    usual = conditions.liquidity.candle_value
    if most is None or usual is None:
        return None
    return Room(settings.liquidity.volume_share, entry.notional / max(usual, TOLERANCE), most)


RISK_CAPS: tuple[Cap, ...] = (
    loss_at_stop,
    symbol_notional,
    correlated_exposure,
    risk_budget,
    gap_loss,
    free_funds,
    value_at_risk,
    execution,
)
LIQUIDITY_CAPS: tuple[Cap, ...] = (depth, volume)
"""Last, so that what they alone cut off is known: it may follow as further orders."""


def size_entry(entry: EntryOrder, book: Book, conditions: Conditions, settings: RiskSettings) -> Sized:
    """The largest order within every limit, never larger than asked for.

    :raises ValueError: a number that is not finite, or not of its range; nothing may be ordered on it.
    """
    _check(entry, book, conditions)
    clamps: list[Clamp] = []
    leverage = entry.leverage
    if leverage > settings.entry.leverage:
        before, leverage = leverage, settings.entry.leverage
        clamps.append(
            Clamp("leverage", settings.entry.leverage, before, entry.notional, entry.stake * leverage)
        )
        entry = replace(entry, leverage=leverage)
    if too_wide(conditions.liquidity, settings.liquidity):
        wide = conditions.liquidity.spread or 0.0
        clamps.append(Clamp("spread", settings.liquidity.max_spread, wide, entry.notional, 0.0))
        return Sized(0.0, leverage, tuple(clamps), poor=True)
    entry = _through(RISK_CAPS, entry, book, conditions, settings, clamps)
    allowed = entry.stake
    entry = _through(LIQUIDITY_CAPS, entry, book, conditions, settings, clamps)
    if 0.0 < entry.stake < entry.min_stake or entry.stake <= 0.0 < allowed:
        clamps.append(Clamp("min_stake", entry.min_stake, entry.stake, entry.notional, 0.0))
        return Sized(0.0, leverage, tuple(clamps), poor=allowed >= max(entry.min_stake, TOLERANCE))
    return Sized(entry.stake, leverage, tuple(clamps), left_over=allowed - entry.stake)


def _through(
    caps: tuple[Cap, ...],
    entry: EntryOrder,
    book: Book,
    conditions: Conditions,
    settings: RiskSettings,
    clamps: list[Clamp],
) -> EntryOrder:
    for cap in caps:
        room = cap(entry, book, conditions, settings)
        if room is None or entry.notional <= room.most * (1.0 + TOLERANCE):
            continue
        most = max(room.most, 0.0)
        clamps.append(Clamp(cap.__name__, room.threshold, room.value, entry.notional, most))
        entry = replace(entry, stake=most / entry.leverage)
    return entry


def _check(entry: EntryOrder, book: Book, conditions: Conditions) -> None:
    numbers = {
        "equity": book.equity,
        "free funds": book.free,
        "stake": entry.stake,
        "leverage": entry.leverage,
        "stop distance": entry.stop_distance,
        "rate": entry.rate,
        "tightening": conditions.tightening,
        "execution": conditions.execution,
        "notional held": sum(h.notional for h in book.holdings),
        "loss at stops": sum(h.loss_at_stop for h in book.holdings),
    }
    for name, value in numbers.items():
        if not math.isfinite(value):
            raise ValueError(f"{name} is {value} at an entry of {entry.pair}; nothing can be ordered on it")
    for name in ("equity", "leverage", "stop distance", "rate", "tightening", "execution"):
        if numbers[name] <= 0.0:
            raise ValueError(f"{name} is {numbers[name]} at an entry of {entry.pair}; it must be above 0")
    if entry.sign not in (1, -1) or entry.stake < 0.0:
        raise ValueError(f"entry of {entry.pair} has sign {entry.sign} and stake {entry.stake}")
