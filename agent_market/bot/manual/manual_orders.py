"""Orders for a human to place: what the bot wanted from the exchange and could not get.

Two files beside the risk journal, written whole at each change: `manual_orders.csv` for programs and
`manual_orders.txt` to read.  A row leaves them when the bot placed the order after all, the trade is gone, or
the moment for it is over, so that nobody places an order twice.
"""

from __future__ import annotations

import csv
import io
import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path

from agent_market.bot.alerting.alerts import AlertBus
from agent_market.utils.durable import replace_text
from agent_market.utils.redaction import Redactor

logger = logging.getLogger(__name__)

CSV, TEXT = "manual_orders.csv", "manual_orders.txt"
NOTHING = "Nothing to place by hand: the bot can place its orders itself.\n"


@dataclass(frozen=True, slots=True)
class ManualOrder:
    """One order. `price` and `size` are those of the exchange's order form: quote currency, base currency.

    `price` is the limit of a `limit` order, the trigger of a `stop` order, and the last price known for a
    `market` order; `trade` is freqtrade's number of the trade that it reduces, empty for an entry.  After
    `until` an entry is no longer wanted; an exit is wanted until its trade is closed (None).
    """

    pair: str
    side: str
    type: str
    price: float
    size: float
    why: str
    at: datetime
    trade: str = ""
    leverage: float = 1.0
    until: datetime | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it the same order: of two with one key, the newer stands."""
        return (self.pair, self.side, self.trade)


@dataclass(frozen=True, slots=True)
class Position:
    """What an open trade would need by hand: the order that closes it, and where its stop is."""

    trade: str
    pair: str
    closes_by: str
    size: float
    stop: float
    leverage: float = 1.0


class ManualSheet:
    """The sheet of one bot. Thread-safe; a failure to write it is alerted, never raised."""

    def __init__(
        self,
        folder: Path | None,
        bus: AlertBus,
        redactor: Redactor,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """
        :param folder: None (backtests) = no files.
        :param redactor: hides secrets that an exchange's error may quote.
        """
        self._folder = folder
        self._redactor = redactor
        self._bus = bus
        self._clock = clock
        self._lock = threading.Lock()
        self._orders: dict[tuple[str, str, str], ManualOrder] = {}
        self._positions: tuple[Position, ...] = ()
        self._silent = False
        if folder is not None and (folder / CSV).exists():
            self._write()  # of a bot that was killed: it will say anew what is missing

    @property
    def orders(self) -> tuple[ManualOrder, ...]:
        """What stands on the sheet now, oldest first."""
        with self._lock:
            return tuple(self._orders.values())

    def failed(self, order: ManualOrder) -> None:
        """An order could not be placed: put it on the sheet, and alert it the first time.

        One entry at a time: the gate sized each as if no other were placed, so all together may be too much.
        """
        order = replace(order, why=self._redactor.text(order.why))
        with self._lock:
            if not order.trade and any(not o.trade and o.key != order.key for o in self._orders.values()):
                logger.info("not on the sheet, for an entry is there already: %s", _line(order))
                return
            new = order.key not in self._orders
            self._orders[order.key] = order
            self._write()
        if new:
            text = f"cannot be placed, see {TEXT}: {_line(order)}"
            self._bus.publish("critical", "execution", text, pair=order.pair, manual=_json(order))

    def placed(self, pair: str, side: str, trade: str) -> None:
        """The bot placed this order: it must not be placed again by hand."""
        with self._lock:
            gone = self._orders.pop((pair, side, trade), None)
            if gone is not None:
                self._write()
        if gone is not None:
            text = f"placed by the bot after all, do not place by hand: {_line(gone)}"
            self._bus.publish("critical", "execution", text, pair=pair, manual=_json(gone))

    def holds(self, positions: Iterable[Position]) -> None:
        """Take note of what is open, once an iteration; rows of closed trades and of late entries go."""
        positions, now = tuple(positions), self._clock()
        open_trades = {position.trade for position in positions}
        with self._lock:
            self._positions = positions
            gone = [
                key
                for key, order in self._orders.items()
                if (order.trade and order.trade not in open_trades) or (order.until and order.until <= now)
            ]
            for key in gone:
                del self._orders[key]
            if gone:
                self._write()

    def exchange_silent(self, silent_s: float, after_s: float) -> None:
        """List the stops of open trades once the exchange was silent for `after_s`, until it is not.

        Any thread, often: it does something only where the answer changed.
        """
        silent = silent_s >= after_s
        if silent == self._silent:
            return
        self._silent = silent
        with self._lock:
            if silent:
                new = [self._stop(position, silent_s) for position in self._positions]
                new = [order for order in new if order.key not in self._orders]
                self._orders |= {order.key: order for order in new}
            else:
                new = [o for o in self._orders.values() if o.type == "stop"]
                for order in new:
                    del self._orders[order.key]
            self._write()
        if silent:
            what = "; ".join(map(_line, new)) or "no trade is open"
            text = f"the exchange has not answered for {silent_s:.0f} s; stops to place by hand: {what}"
            self._bus.publish("critical", "execution", text, manual=[_json(order) for order in new])
        elif new:
            text = f"the exchange answers again: the bot looks after its stops itself, {len(new)} taken off"
            self._bus.publish("critical", "execution", f"{text} {TEXT}; cancel any that you placed")

    def _stop(self, position: Position, silent_s: float) -> ManualOrder:
        why = f"the exchange does not answer the bot ({silent_s:.0f} s); this is the trade's stop"
        return ManualOrder(
            pair=position.pair,
            side=position.closes_by,
            type="stop",
            price=position.stop,
            size=position.size,
            why=why,
            at=self._clock(),
            trade=position.trade,
            leverage=position.leverage,
        )

    def _write(self) -> None:
        if self._folder is None:
            return
        orders = tuple(self._orders.values())
        try:
            replace_text(self._folder / CSV, as_csv(orders))
            replace_text(self._folder / TEXT, as_text(orders, self._clock()))
        except OSError as error:
            logger.exception("the sheet of manual orders cannot be written")
            self._bus.publish("critical", "fault", f"the sheet of manual orders cannot be written: {error}")


def as_csv(orders: Iterable[ManualOrder]) -> str:
    """One row an order under a header with the fields of `ManualOrder`; times in ISO 8601, UTC."""
    names = [field.name for field in fields(ManualOrder)]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    for order in orders:
        writer.writerow([_cell(getattr(order, name)) for name in names])
    return out.getvalue()


def as_text(orders: Iterable[ManualOrder], now: datetime) -> str:
    """The same for a person in a hurry."""
    rows = tuple(orders)
    if not rows:
        return NOTHING
    lines = [f"{now:%Y-%m-%d %H:%M:%S} UTC: {len(rows)} to place by hand at the exchange", ""]
    for number, order in enumerate(rows, start=1):
        lines.append(f"{number}. {_line(order)}")
        lines.append(f"   because: {order.why}")
        if order.until is not None:
            lines.append(f"   only until {order.until:%Y-%m-%d %H:%M} UTC")
    return "\n".join([*lines, "", "A row goes away when the bot has placed it itself. Look again first.", ""])


def _line(order: ManualOrder) -> str:
    at = {"limit": "at", "stop": "once the price reaches", "market": "at market, last seen"}[order.type]
    what = f"{order.side.upper()} {order.size:.8g} {order.pair} {at} {order.price:.8g}"
    what += f", leverage {order.leverage:g}" if order.leverage != 1.0 else ""
    return f"{what} (closes trade {order.trade})" if order.trade else f"{what} (a new entry)"


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds")
    if isinstance(value, float):
        return f"{value:.12g}"
    return "" if value is None else str(value)


def _json(order: ManualOrder) -> dict[str, str]:
    return {field.name: _cell(getattr(order, field.name)) for field in fields(ManualOrder)}
