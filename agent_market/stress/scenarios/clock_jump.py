"""The exchange's clock jumps an hour ahead of the bot's, then behind: nothing is bought by a wrong clock."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from freqtrade.persistence import Trade

from agent_market.sandbox.market.candles import HOUR, MINUTE
from agent_market.sandbox.market.clock import wall_clock
from agent_market.stress.bots import StressedBot, exchange, seconds_until, stressed_bot, synthetic
from agent_market.stress.dry_config import PAIRS
from agent_market.stress.scenario import Invariant, Scenario

BACK_MINUTES = 10
CANDLE_S, LOOK_S = 60.0, 2.0


class JumpingClock:
    """The wall clock, and what it is set off by, in milliseconds."""

    def __init__(self) -> None:
        self.off = 0

    def __call__(self) -> int:
        return wall_clock() + self.off


@dataclass(frozen=True, slots=True)
class Jumped:
    """What was seen after each jump; seconds from the candle that showed it."""

    trades: int
    ahead_s: float
    ahead_causes: tuple[str, ...]
    ahead_forced: str
    """Why a forced entry was refused; empty = it was placed."""
    behind_causes: tuple[str, ...]
    behind_forced: str
    trades_kept: bool
    back_orders: int
    back_s: float


def jump(folder: Path) -> Jumped:
    """Ahead while the bot runs, behind over a restart, and right again over another."""
    clock = JumpingClock()
    with exchange(synthetic(clock)) as server:
        with stressed_bot(folder, server, max_open_trades=2) as bot:
            bot.until(lambda: bot.bought >= 2)
            bot.step()
            held = _trades()
            clock.off = HOUR
            _next_candle()
            started = time.perf_counter()
            bot.until(lambda: "clock_skew" in _causes(bot), LOOK_S)
            ahead_s, ahead = time.perf_counter() - started, _causes(bot)
            ahead_forced = _force(bot)
        clock.off = -BACK_MINUTES * MINUTE
        with stressed_bot(folder, server, max_open_trades=2) as bot:
            bot.until(lambda: "stale_data" in _causes(bot), LOOK_S)
            behind_forced = _force(bot)
            behind, kept = _causes(bot), _trades() == held
        clock.off = 0
        with stressed_bot(folder, server) as bot:
            back_s = seconds_until(lambda: not bot.step() and bot.bought > 0, 2 * CANDLE_S)
            return Jumped(
                trades=len(held),
                ahead_s=ahead_s,
                ahead_causes=ahead,
                ahead_forced=ahead_forced,
                behind_causes=behind,
                behind_forced=behind_forced,
                trades_kept=kept,
                back_orders=bot.bought,
                back_s=back_s,
            )


def _next_candle() -> None:
    """Until the bot will ask for candles again."""
    time.sleep((MINUTE - wall_clock() % MINUTE) / 1000 + 1.0)


def _force(bot: StressedBot) -> str:
    """Force an entry in one more pair; return the refusal, empty if it was placed.

    Not an entry of the strategy, for the refusal of one would keep its pair locked for up to two candles.
    """
    slots, bot.bot.config["max_open_trades"] = bot.bot.config["max_open_trades"], len(PAIRS)
    try:
        return bot.forced_entry("XRP/USDT", 100.0)
    finally:
        bot.bot.config["max_open_trades"] = slots


def _causes(bot: StressedBot) -> tuple[str, ...]:
    return tuple(sorted({alarm.cause for alarm in bot.attachment.breaker.state.alarms}))


def _trades() -> dict[int, tuple[str, float, float]]:
    return {t.id: (t.pair, float(t.amount), float(t.open_rate)) for t in Trade.get_open_trades()}


CLOCK_JUMP = Scenario(
    "clock-jump",
    "The exchange's clock jumps an hour ahead of the bot's while it runs, then is "
    f"{BACK_MINUTES} minutes behind as it starts again.",
    jump,
    (
        Invariant(
            "candles from the future freeze entries (`clock_candles`): not even a forced one is placed",
            lambda e: "clock_skew" in e.ahead_causes and "entries are frozen" in e.ahead_forced,
            lambda e: f"after {e.ahead_s:.1f} s: {e.ahead_forced or 'placed'}",
        ),
        Invariant(
            "candles that are too old freeze entries (`stale_candles`): not even a forced one is placed",
            lambda e: "stale_data" in e.behind_causes and "entries are frozen" in e.behind_forced,
            lambda e: e.behind_forced or "placed",
        ),
        Invariant(
            "open trades stay as they were",
            lambda e: e.trades == 2 and e.trades_kept,
            lambda e: f"{e.trades} open, " + ("unchanged" if e.trades_kept else "changed"),
        ),
        Invariant(
            "with the clock right, entries go on",
            lambda e: e.back_orders > 0,
            lambda e: f"{e.back_orders} orders, {e.back_s:.0f} s after a restart",
        ),
    ),
)
