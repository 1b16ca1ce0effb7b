"""A day on which every move is ten times what it was: frozen as it begins, and bounded once it is usual."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from agent_market.risk.tightening import volatility_ratio
from agent_market.risk.value_at_risk import day_var
from agent_market.sandbox.market import LiveMarket, Storm, SyntheticSource
from agent_market.sandbox.market.candles import DAY, HOUR, MINUTE
from agent_market.sandbox.market.clock import wall_clock
from agent_market.stress.bots import SEED, StressedBot, calm_source, exchange, stressed_bot
from agent_market.stress.day import DayOfTrading, walk
from agent_market.stress.dry_config import PAIRS, THIN_BOOKS
from agent_market.stress.scenario import Invariant, Scenario

FACTOR = 10.0
FALLING_DAY = int(datetime(2024, 8, 2, tzinfo=UTC).timestamp() * 1000)
"""On which the seeded market falls by 6%, and its storm by half."""
DAY_LOSS, ROOM = 0.05, 0.01
BEGUN_MINUTES, LASTED_HOURS = 24, 24
STAKE = 2_000.0
SPIKE, VAR, FREEZE_S = 4.0, 0.08, 0.5
SLACK = 1.01


@dataclass(frozen=True, slots=True)
class Stormy:
    """Early: 24 minutes into the storm. Late: 24 hours. Shares are of equity."""

    early_ratio: float
    early_causes: tuple[str, ...]
    early_orders: int
    early_look_s: float
    day_move: float
    """Mean over the pairs of high over low of the last day, less 1."""
    late_orders: int
    late_wanted: float
    late_book: float
    late_var: float
    late_clamps: tuple[str, ...]
    day_change: float
    """Of equity over one whole such day, after costs, in a backtest with the layer."""
    day_trades: int
    bare_change: float
    """The same day and signals without the layer."""


def storm(folder: Path) -> Stormy:
    """One bot that starts as the storm has begun, and one that starts a day later."""
    now = wall_clock()
    begun = Storm(calm_source(), (now // MINUTE - BEGUN_MINUTES) * MINUTE, FACTOR)
    with exchange(LiveMarket(begun)) as server, stressed_bot(folder / "early", server) as bot:
        bot.step()
        early = [_ratio(bot, pair) for pair in PAIRS]
        started = datetime.now(UTC)
        bot.attachment.desk.look(started)
        look_s = (datetime.now(UTC) - started).total_seconds()
        for _ in range(3):
            bot.step()
        causes = tuple(sorted({alarm.cause for alarm in bot.attachment.breaker.state.alarms}))
        orders = bot.bought
    lasted = Storm(calm_source(), now // HOUR * HOUR - LASTED_HOURS * HOUR, FACTOR)
    market = LiveMarket(lasted)
    _early_in_a_candle()  # the next one would move the VaR of what was sized on this one
    with exchange(market) as server, stressed_bot(folder / "late", server, stake_amount=STAKE) as bot:
        for _ in range(4):
            bot.step()
        equity = bot.equity()
        clamps = [line for line in bot.attachment.journal.recent(500) if line["kind"] == "clamps"]
        days = [market.candles(pair, "1m", wall_clock() - DAY, wall_clock()) for pair in PAIRS]
        day, bare = _whole_day(folder, server.url)
        return Stormy(
            early_ratio=float(np.median([ratio for ratio in early if ratio is not None] or [0.0])),
            early_causes=causes,
            early_orders=orders,
            early_look_s=look_s,
            day_move=float(np.mean([day.high.max() / day.low.min() - 1.0 for day in days])),
            late_orders=bot.bought,
            late_wanted=STAKE * len(PAIRS) / equity,
            late_book=bot.held() / equity,
            late_var=_book_var(bot, equity),
            late_clamps=tuple(sorted({row["limit"] for line in clamps for row in line["clamps"]})),
            day_change=day.change,
            day_trades=day.trades,
            bare_change=bare.change,
        )


def _whole_day(folder: Path, url: str) -> tuple[DayOfTrading, DayOfTrading]:
    """A falling day that becomes a storm at midnight, with the layer and without."""
    source = Storm(SyntheticSource(seed=SEED, pairs=PAIRS), FALLING_DAY, FACTOR)
    risk = {"liquidity": THIN_BOOKS, "breaker": {"reduce_to": 0.0}}
    return (
        walk(folder / "day", url, source, FALLING_DAY, "Eager", risk),
        walk(folder / "bare", url, source, FALLING_DAY, "Bare", risk),
    )


def _early_in_a_candle() -> None:
    passed = wall_clock() % MINUTE
    if passed > 45_000:
        time.sleep((MINUTE - passed) / 1000 + 1.0)


def _ratio(bot: StressedBot, pair: str) -> float | None:
    settings = bot.attachment.desk.settings.tightening
    returns = bot.attachment.desk.market.returns(pair, settings.slow_candles)
    return volatility_ratio(returns.to_numpy(), settings)


def _book_var(bot: StressedBot, equity: float) -> float:
    """VaR of one day of what is held at the end, from the same candles and rule that the gate takes."""
    desk = bot.attachment.desk
    total = None
    for pair, notional in bot.notional().items():
        returns = desk.market.returns(pair, desk.settings.entry.correlation_candles) * (notional / equity)
        total = returns if total is None else total.add(returns).dropna()
    if total is None:
        return 0.0
    return day_var(total.to_numpy(), desk.settings.value_at_risk, desk.market.candles_per_day)


VOLATILITY = Scenario(
    "volatility",
    f"Every minute moves {FACTOR:g} times as far as it would: seen by a bot {BEGUN_MINUTES} minutes into it, "
    f"and by one that starts after {LASTED_HOURS} hours of it and wants 20% of the wallet in each pair.",
    storm,
    (
        Invariant(
            f"as it begins, `breaker.volatility_spike` = {SPIKE:g} freezes entries: none is placed",
            lambda e: e.early_ratio > SPIKE and "volatility_spike" in e.early_causes and e.early_orders == 0,
            lambda e: (
                f"{e.early_ratio:.1f} times the usual; {', '.join(e.early_causes)}; {e.early_orders} orders"
            ),
        ),
        Invariant(
            f"the look at all candles that freezes them takes at most {FREEZE_S} s",
            lambda e: e.early_look_s <= FREEZE_S,
            lambda e: f"{e.early_look_s:.3f} s",
            timed=True,
        ),
        Invariant(
            f"a day later, VaR of the whole book stays within `value_at_risk.limit` = {VAR:.0%} a day",
            lambda e: e.late_var <= VAR * SLACK and "value_at_risk" in e.late_clamps,
            lambda e: (
                f"{e.late_var:.1%}; book {e.late_book:.0%} of equity, {e.late_wanted:.0%} wanted, after a "
                f"day with a range of {e.day_move:.0%}"
            ),
        ),
        Invariant(
            f"one whole falling day of it costs at most `breaker.day_loss` = {DAY_LOSS:.0%}, and "
            f"{ROOM:.0%} for the candle that shows it",
            lambda e: (
                e.day_change >= -(DAY_LOSS + ROOM) and e.bare_change < e.day_change and e.day_trades > 0
            ),
            lambda e: (
                f"{e.day_change:+.1%} after costs, {e.bare_change:+.1%} without the layer (a backtest, "
                "so that nobody waits for a day)"
            ),
        ),
        Invariant(
            "every cut is in the risk journal by name",
            lambda e: len(e.late_clamps) > 0,
            lambda e: ", ".join(e.late_clamps) or "none",
        ),
    ),
)
