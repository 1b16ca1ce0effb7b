"""A flash crash of 30% with a full book: frozen, sold down, and the loss within what was allowed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agent_market.sandbox.faults import FlashCrash
from agent_market.stress.bots import exchange, seconds_until, stressed_bot
from agent_market.stress.scenario import Invariant, Scenario

DEPTH = 0.30
GAP, GAP_LOSS, SAFE = 0.35, 0.12, 0.05
FREEZE_S = 0.5


@dataclass(frozen=True, slots=True)
class Crashed:
    """Money in stake currency, times in seconds; `book` is what was held as a share of equity."""

    equity_before: float
    equity_after: float
    book_before: float
    book_after: float
    frozen_s: float
    reduced_s: float
    bought_after: int
    forced_entry: str
    """Why it was refused; empty = it was placed."""

    @property
    def loss(self) -> float:
        """Loss of equity, as a share of it before."""
        return 1.0 - self.equity_after / self.equity_before


def crash(folder: Path) -> Crashed:
    """Fill the book, crash every price at the exchange, and let the bot see to it."""
    # Stops so wide that none is hit, and losses at stops of any size: what bounds the loss is the gap limit,
    # and what sells is the breaker, not freqtrade's stop-loss.
    risk = {
        "entry": {"loss_at_stop": 1.0},
        "budget": {"book_loss": 1.0, "pair_share": 1.0, "gap": GAP, "gap_loss": GAP_LOSS},
        "breaker": {"reduce_to": SAFE},
    }
    with (
        exchange() as server,
        stressed_bot(folder, server, risk, stake_amount=2_000, stoploss=-0.45) as bot,
    ):
        bot.until(lambda: bot.bought >= 2)
        bot.step()
        before, held = bot.equity(), bot.held()
        server.faults(FlashCrash(depth=DEPTH))
        frozen_s = seconds_until(lambda: bot.attachment.breaker.frozen)
        bought = bot.bought
        refused = bot.forced_entry("XRP/USDT", 100.0)
        reduced_s = seconds_until(lambda: not bot.step() and bot.held() <= SAFE * bot.equity())
        for _ in range(3):
            bot.step()
        after, left = bot.equity(), bot.held()
        return Crashed(
            equity_before=before,
            equity_after=after,
            book_before=held / before,
            book_after=left / after,
            frozen_s=frozen_s,
            reduced_s=reduced_s,
            bought_after=bot.bought - bought,
            forced_entry=refused,
        )


FLASH_CRASH = Scenario(
    "flash-crash",
    f"Every price falls by {DEPTH:.0%} at once, with a book as large as the limits allow.",
    crash,
    (
        Invariant(
            f"entries are frozen at most {FREEZE_S} s after the crash",
            lambda e: e.frozen_s <= FREEZE_S,
            lambda e: f"{e.frozen_s:.3f} s",
            timed=True,
        ),
        Invariant(
            f"equity loses at most `risk.budget.gap_loss` = {GAP_LOSS:.0%}",
            lambda e: e.book_before > 0.3 and 0.0 < e.loss <= GAP_LOSS,
            lambda e: f"{e.loss:.2%} of equity, with {e.book_before:.0%} of it in the market",
        ),
        Invariant(
            f"the book is sold down to `risk.breaker.reduce_to` = {SAFE:.0%}",
            lambda e: e.book_after <= SAFE,
            lambda e: f"{e.book_after:.1%} held {e.reduced_s:.1f} s later",
        ),
        Invariant(
            "nothing is bought once frozen, not even by a forced entry",
            lambda e: e.bought_after == 0 and "entries are frozen" in e.forced_entry,
            lambda e: f"{e.bought_after} orders; {e.forced_entry or 'a forced entry was placed'}",
        ),
    ),
)
