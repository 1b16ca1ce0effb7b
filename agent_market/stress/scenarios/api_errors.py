"""The exchange answers HTTP 500 to everything, and then refuses a single order: a human is alerted."""

from __future__ import annotations

import csv
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from freqtrade.exceptions import TemporaryError
from freqtrade.persistence import Trade

from agent_market.bot.freqtrade_internals import freqtrade as internals
from agent_market.bot.manual.manual_orders import CSV
from agent_market.sandbox.faults import ServerError
from agent_market.stress.bots import EVERYTHING, StressedBot, exchange, seconds_until, stressed_bot
from agent_market.stress.dry_config import PAIRS
from agent_market.stress.scenario import Invariant, Scenario

STALE_S, SHEET_S, ROOM_S = 3.0, 3.0, 1.0
OUTAGE_S = 6.0
CANDLE_S = 60.0
REFUSAL = "503 Service Unavailable"


@dataclass(frozen=True, slots=True)
class Refused:
    """Times in seconds from the first 500; `back_s` from the end of the outage."""

    open_trades: int
    frozen_s: float
    sheet_s: float
    stops_listed: int
    stops_as_freqtrade_has_them: bool
    loops: int
    loops_failed: int
    bought_meanwhile: int
    back_s: float
    left_on_sheet: int
    critical_alerts: int
    sale_listed: tuple[str, str, float, float] | None
    """Pair, side, price and size of the sale that could not be placed."""
    sale_wanted: tuple[str, str, float]
    left_after_sale: int


def refuse(folder: Path) -> Refused:
    """Open two trades, let the exchange fail for a while with more entries wanted, then refuse a sale."""
    section = {"bot": {"manual_after_s": SHEET_S}}
    with (
        exchange() as server,
        stressed_bot(
            folder, server, {"breaker": {"stale_ticks_s": STALE_S}}, section=section, max_open_trades=2
        ) as bot,
    ):
        bot.until(lambda: bot.bought >= 2)
        bot.step()
        bot.bot.config["max_open_trades"] = len(PAIRS)  # from here on it wants the others too
        stops = {str(t.id): float(t.stop_loss) for t in Trade.get_open_trades()}
        bought, alerts = bot.bought, len(bot.alerts("execution"))

        server.faults(ServerError(path=EVERYTHING))
        began, loops, failed = time.perf_counter(), 0, 0
        frozen_s = sheet_s = float("inf")
        listed: list[dict[str, str]] = []
        while (passed := time.perf_counter() - began) < OUTAGE_S:
            failed += bool(bot.step())
            loops += 1
            frozen_s = min(frozen_s, passed) if bot.attachment.breaker.frozen else frozen_s
            if not listed and (listed := _rows(bot)):
                sheet_s = passed
            time.sleep(0.05)
        meanwhile = bot.bought - bought
        server.faults()
        back_s = seconds_until(lambda: not bot.step() and bot.bought > bought, CANDLE_S + 15.0)
        left = len(_rows(bot))
        told = len(bot.alerts("execution")) - alerts
        sale, wanted = _unsold(bot)
        return Refused(
            open_trades=len(stops),
            frozen_s=frozen_s,
            sheet_s=sheet_s,
            stops_listed=len(listed),
            stops_as_freqtrade_has_them={r["trade"]: float(r["price"]) for r in listed} == stops,
            loops=loops,
            loops_failed=failed,
            bought_meanwhile=meanwhile,
            back_s=back_s,
            left_on_sheet=left,
            critical_alerts=told,
            sale_listed=sale,
            sale_wanted=wanted,
            left_after_sale=len(_rows(bot)),
        )


def _unsold(bot: StressedBot) -> tuple[tuple[str, str, float, float] | None, tuple[str, str, float]]:
    """A sale that the exchange refuses, as the sheet lists it, and as it was wanted; then it gets through.

    Dry-run orders never leave freqtrade, so that the refusal is planted where they would.
    """
    trade = Trade.get_open_trades()[0]
    wanted = (trade.pair, str(trade.exit_side), float(trade.amount))
    trade_id, venue, rpc = str(trade.id), bot.bot.exchange, internals.rpc_of(bot.strategy)

    def refused(*args: Any, **kwargs: Any) -> Any:
        raise TemporaryError(REFUSAL)

    vars(venue)["create_dry_run_order"] = refused
    try:
        internals.force_exit(rpc, trade_id)
    except TemporaryError:
        pass  # what freqtrade tells who asked for the sale
    finally:
        del vars(venue)["create_dry_run_order"]
    row = next((r for r in _rows(bot) if r["trade"] == trade_id), None)
    internals.force_exit(rpc, trade_id)
    listed = None if row is None else (row["pair"], row["side"], float(row["price"]), float(row["size"]))
    return listed, wanted


def _rows(bot: StressedBot) -> list[dict[str, str]]:
    file = bot.attachment.control.folder / CSV
    if not file.exists():
        return []
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def _sale(e: Refused) -> str:
    if e.sale_listed is None:
        return "not listed"
    pair, side, price, size = e.sale_listed
    return f"listed: {side} {size:g} {pair} at {price:g}; {e.left_after_sale} left once it got through"


API_ERRORS = Scenario(
    "api-500",
    f"The exchange answers HTTP 500 to everything for {OUTAGE_S:.0f} s with two trades open and more wanted, "
    "then refuses a sale.",
    refuse,
    (
        Invariant(
            f"entries are frozen {STALE_S + 0.5:g} s after the first error (`stale_ticks_s` = {STALE_S:g})",
            lambda e: e.frozen_s <= STALE_S + 0.5,
            lambda e: f"{e.frozen_s:.2f} s",
            timed=True,
        ),
        Invariant(
            "nothing is bought meanwhile, and the bot lives",
            lambda e: e.bought_meanwhile == 0 and e.loops > 1,
            lambda e: (
                f"{e.bought_meanwhile} orders in {e.loops} loops, {e.loops_failed} of them to be retried"
            ),
        ),
        Invariant(
            f"the stop of each open trade is on the sheet for a human, and alerted, {SHEET_S + ROOM_S:g} s "
            f"after it (`manual_after_s` = {SHEET_S:g})",
            lambda e: (
                e.sheet_s <= SHEET_S + ROOM_S
                and e.stops_listed == e.open_trades == 2
                and e.stops_as_freqtrade_has_them
                and e.critical_alerts >= 1
            ),
            lambda e: f"{e.stops_listed} of {e.open_trades} after {e.sheet_s:.2f} s",
            timed=True,
        ),
        Invariant(
            "once the exchange answers, the sheet is empty and entries go on within a candle",
            lambda e: e.back_s <= CANDLE_S and e.left_on_sheet == 0,
            lambda e: f"bought again {e.back_s:.1f} s later, {e.left_on_sheet} rows left",
            timed=True,
        ),
        Invariant(
            "an order that is refused is listed with pair, side, price and size until it gets through",
            lambda e: (
                e.sale_listed is not None
                and (e.sale_listed[0], e.sale_listed[1], e.sale_listed[3]) == e.sale_wanted
                and e.sale_listed[2] > 0
                and e.left_after_sale == 0
            ),
            _sale,
        ),
    ),
)
