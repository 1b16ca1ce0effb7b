"""The quick eye of the breaker: the exchange's tickers, several times a second, on a thread of its own."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping

from agent_market.bot.breaker.breaker_service import BreakerService
from agent_market.config import BreakerSettings
from agent_market.risk.systemic import Readings, alarms

Prices = Mapping[str, float]


class TickWatch:
    """Call it for one look: it asks for mid prices, and freezes entries when they fall or fail to come."""

    def __init__(
        self,
        prices: Callable[[], Prices],
        breaker: BreakerService,
        settings: BreakerSettings,
        clock: Callable[[], float] = time.monotonic,
        source: Callable[[], str] = lambda: "",
    ) -> None:
        """
        :param prices: mid price by pair, now; raises where the exchange does not answer.
        :param source: name of who answered last: prices of two exchanges are not compared with each other.
        """
        self._prices = prices
        self._breaker = breaker
        self._settings = settings
        self._clock = clock
        self._source = source
        self._seen_from = ""
        self._answered = clock()
        self._highs: dict[str, deque[tuple[float, float]]] = {}

    def __call__(self) -> None:
        """One look.

        :raises Exception: what `prices` raised, after the age of the last answer was seen to.
        """
        try:
            prices = self._prices()
        except Exception:
            self._see({})
            raise
        if prices:
            self._answered = self._clock()
        if self._source() != self._seen_from:
            self._seen_from = self._source()
            self._highs.clear()
        self._see({pair: self._fall(pair, price) for pair, price in prices.items()})

    def _see(self, falls: Prices) -> None:
        readings = Readings(tick_falls=falls, tick_age_s=self._clock() - self._answered)
        self._breaker.see("ticks", alarms(readings, self._settings))

    def _fall(self, pair: str, price: float) -> float:
        """Fall from the highest price of the window, as a fraction, kept as a falling queue of maxima."""
        now = self._clock()
        highs = self._highs.setdefault(pair, deque())
        while highs and highs[-1][1] <= price:
            highs.pop()
        highs.append((now, price))
        while highs[0][0] < now - self._settings.flash_seconds:
            highs.popleft()
        return 1.0 - price / highs[0][1]


def mid_prices(tickers: Mapping[str, Mapping[str, float | None]], pairs: set[str]) -> dict[str, float]:
    """Mid of bid and ask of each pair that has both, from ccxt's tickers."""
    found = {}
    for pair in pairs & tickers.keys():
        bid, ask = tickers[pair].get("bid"), tickers[pair].get("ask")
        if bid and ask:
            found[pair] = (bid + ask) / 2
    return found
