"""Where ticks come from: the bot's own exchange, and `risk.breaker.tick_sources` while it is silent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import ccxt
from freqtrade.freqtradebot import FreqtradeBot

from agent_market.bot.alerting.alerts import AlertBus
from agent_market.bot.breaker.breaker_service import BreakerService
from agent_market.bot.breaker.failover import FailOver, Switch
from agent_market.bot.breaker.ticks import Prices, TickWatch, mid_prices
from agent_market.config import BreakerSettings, PriceSource
from agent_market.errors import ConfigError

Pairs = Callable[[], set[str]]


def tick_looks(
    bot: FreqtradeBot,
    settings: BreakerSettings,
    breaker: BreakerService,
    bus: AlertBus,
    silent: Callable[[float], None],
) -> tuple[FailOver[Prices], Callable[[], None]]:
    """The sources, and one look of the breaker at their ticks, to be called again and again.

    :param silent: told after each look for how many seconds the bot's own exchange has not answered.
    :raises ConfigError: ccxt knows no exchange of a given name.
    """

    def told(switch: Switch) -> None:
        text = f"ticks come from {switch.after} instead of {switch.before}, {switch.seconds:.1f} s without: "
        bus.publish("warning", "fault", text + switch.cause, source=switch.after)

    prices = price_sources(bot, settings, told)
    watch = TickWatch(prices, breaker, settings, source=lambda: prices.using)

    def look() -> None:
        try:
            watch()
        finally:
            silent(prices.silent_s())

    return prices, look


def price_sources(
    bot: FreqtradeBot, settings: BreakerSettings, told: Callable[[Switch], None]
) -> FailOver[Prices]:
    """Mid prices of the whitelist of `bot`, with fail-over.

    :raises ConfigError: ccxt knows no exchange of a given name.
    """

    def pairs() -> set[str]:
        return set(bot.active_pair_whitelist)

    def own() -> Prices:
        return _some(mid_prices(bot.exchange.fetch_bids_asks() or bot.exchange.get_tickers(), pairs()))

    others = [(row.exchange, _asker(row, settings.tick_patience_s, pairs)) for row in settings.tick_sources]
    names = [f"{name} ({place})" for place, (name, _) in enumerate(others, start=2)]
    sources = [
        (bot.exchange.name, own),
        *((name, ask) for name, (_, ask) in zip(names, others, strict=True)),
    ]
    return FailOver(sources, settings.tick_patience_s, settings.tick_retry_s, told)


def _asker(source: PriceSource, patience_s: float, pairs: Pairs) -> Callable[[], Prices]:
    made = getattr(ccxt, source.exchange, None) if source.exchange in ccxt.exchanges else None
    if made is None:
        raise ConfigError(
            f"bad setting `agent_market.risk.breaker.tick_sources.exchange` = {source.exchange!r}: "
            "ccxt has no exchange of that name"
        )
    api = made({"enableRateLimit": True, "timeout": int(patience_s * 1000), **source.ccxt_config})

    def ask() -> Prices:
        tickers: Mapping[str, Any] = (
            api.fetch_bids_asks() if api.has["fetchBidsAsks"] else api.fetch_tickers()
        )
        return _some(mid_prices(tickers, pairs()))

    return ask


def _some(prices: Prices) -> Prices:
    """The prices, if there are any: an answer without one of ours is no answer.

    :raises LookupError: there is none.
    """
    if not prices:
        raise LookupError("no traded pair has a bid and an ask")
    return prices
