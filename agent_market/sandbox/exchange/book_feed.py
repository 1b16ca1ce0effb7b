"""One order book as a sequence: numbered states, and what changed from each to the next.

A REST snapshot and a stream of differences agree only if every state that REST shows is one of the stream's.
While somebody streams a symbol, its feed is where `/depth` looks too.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Any

from agent_market.sandbox.exchange.errors import Refusal
from agent_market.sandbox.exchange.quote import depth
from agent_market.sandbox.exchange.symbols import Symbol, SymbolTable
from agent_market.sandbox.market import Market

LEVELS = 100
"""Levels a side of a book that is streamed."""
HISTORY = 1_000
"""Changes that are kept for slow readers."""
_NOTHING = "0.00000000"

Levels = list[list[str]]


@dataclass(frozen=True, slots=True)
class BookChange:
    """Ids `first` to `last` of one symbol: levels as [price, new quantity]; quantity 0 removes a level."""

    first: int
    last: int
    previous: int
    """`last` of the change before it."""
    time: int
    """Market time in ms."""
    bids: Levels
    asks: Levels


class BookFeed:
    """The book of one symbol. Thread-safe; it moves only when `refresh` is called."""

    def __init__(self, market: Market, symbol: Symbol) -> None:
        self._market, self._symbol = market, symbol
        self._lock = threading.Lock()
        self._changes: deque[BookChange] = deque(maxlen=HISTORY)
        self._bids: Levels = []
        self._asks: Levels = []
        self._id = 0
        self._time = 0
        self._watchers = 0

    @property
    def watched(self) -> bool:
        return self._watchers > 0

    @property
    def last_id(self) -> int:
        return self._id

    def watch(self) -> int:
        """Count a reader in; the id of the state that it starts from."""
        with self._lock:
            self._watchers += 1
        self.refresh()
        return self._id

    def leave(self) -> None:
        """Count a reader out."""
        with self._lock:
            self._watchers -= 1

    def refresh(self) -> None:
        """Take the market's book of now; one change if it differs. Nothing while the market has no price."""
        with self._lock:
            try:
                _, bids, asks = depth(self._market, self._symbol, LEVELS)
            except Refusal:
                return
            if bids == self._bids and asks == self._asks:
                return
            self._time = self._market.now()
            number = max(self._id + 1, self._time)
            if self._id:
                self._changes.append(
                    BookChange(
                        self._id + 1,
                        number,
                        self._id,
                        self._time,
                        changed(self._bids, bids),
                        changed(self._asks, asks),
                    )
                )
            self._bids, self._asks, self._id = bids, asks, number

    def snapshot(self, limit: int) -> tuple[int, Levels, Levels]:
        """Id, bids (falling) and asks (rising) of the newest state, at most `LEVELS` a side."""
        self.refresh()
        with self._lock:
            return self._id, self._bids[:limit], self._asks[:limit]

    def since(self, number: int) -> list[BookChange]:
        """Changes after id `number`, in order. Of a reader too slow for `HISTORY` the oldest are lost."""
        with self._lock:
            return [change for change in self._changes if change.last > number]


class BookFeeds:
    """The feeds of one venue, made as they are asked for."""

    def __init__(self, market: Market, symbols: SymbolTable) -> None:
        self._market, self._symbols = market, symbols
        self._feeds: dict[str, BookFeed] = {}
        self._lock = threading.Lock()

    def __getitem__(self, name: str) -> BookFeed:
        """The feed of a symbol id.

        :raises Refusal: -1121 for an unknown symbol.
        """
        symbol = self._symbols[name]
        with self._lock:
            return self._feeds.setdefault(name, BookFeed(self._market, symbol))

    def snapshot(self, name: str, limit: int) -> tuple[int, Levels, Levels] | None:
        """The newest state of a symbol that is streamed; None for another."""
        feed = self._feeds.get(name)
        return feed.snapshot(limit) if feed is not None and feed.watched else None


def changed(before: Levels, after: Levels) -> Levels:
    """What turns one side of a book into another: new quantities, 0 for levels that are gone."""
    old: dict[str, str] = dict(before)  # type: ignore[arg-type]
    new: dict[str, str] = dict(after)  # type: ignore[arg-type]
    gone = [[price, _NOTHING] for price in old if price not in new]
    return gone + [[price, quantity] for price, quantity in new.items() if old.get(price) != quantity]


def change_row(change: BookChange, symbol: Symbol, *, futures: bool) -> dict[str, Any]:
    """As Binance streams it: `depthUpdate`."""
    row: dict[str, Any] = {"e": "depthUpdate", "E": change.time, "s": symbol.id}
    if futures:
        row["T"] = change.time
    row |= {"U": change.first, "u": change.last}
    if futures:
        row["pu"] = change.previous
    return row | {"b": change.bids, "a": change.asks}
