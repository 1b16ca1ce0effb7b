"""Sources that fail, hang and come back; clocks are given, and threads are held by events."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from agent_market.bot.breaker.failover import FailOver, Switch
from agent_market.bot.breaker.price_sources import price_sources
from agent_market.config import BreakerSettings, PriceSource
from agent_market.errors import ConfigError


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Source:
    """Answers its name, unless it is down or hangs."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.down = False
        self.asked = 0
        self.free = threading.Event()
        self.free.set()

    def __call__(self) -> str:
        self.asked += 1
        self.free.wait(30)
        if self.down:
            raise ConnectionError(f"{self.name} is down")
        return self.name


def made(
    *names: str, patience_s: float = 10.0, retry_s: float = 2.0
) -> tuple[FailOver[str], list[Source], list[Switch], Clock]:
    sources, heard, clock = [Source(name) for name in names], [], Clock()
    switches: list[Switch] = heard
    return (
        FailOver([(s.name, s) for s in sources], patience_s, retry_s, switches.append, clock),
        sources,
        switches,
        clock,
    )


def until(ask: Callable[[], object], wanted: object) -> None:
    """A source that is tried beside the one in use answers on a thread of its own."""
    for _ in range(2_000):
        if ask() == wanted:
            return
        threading.Event().wait(0.005)
    pytest.fail(f"never {wanted!r}")


def test_the_first_source_is_used_and_no_other_is_asked() -> None:
    prices, (first, second), switches, _ = made("first", "second")
    assert [prices(), prices()] == ["first", "first"]
    assert (first.asked, second.asked, switches, prices.using) == (2, 0, [], "first")


def test_a_source_that_fails_is_gone_over_from_at_once_and_told_with_its_cause() -> None:
    prices, (first, _), switches, clock = made("first", "second")
    prices()
    first.down = True
    clock.now += 1.5
    assert prices() == "second"
    (switch,) = switches
    assert (switch.before, switch.after, switch.seconds) == ("first", "second", 1.5)
    assert "first is down" in switch.cause
    assert prices.silent_s() == 1.5
    assert prices.silent_s(1) == 0.0


def test_a_source_that_hangs_is_waited_for_no_longer_than_patience() -> None:
    prices, (first, second), switches, _ = made("first", "second", patience_s=0.05)
    first.free.clear()
    assert prices() == "second"
    assert "no answer in 0.05 s" in switches[0].cause
    assert prices() == "second"
    assert first.asked == 1, "what hangs is not asked on top"
    first.free.set()
    assert second.asked == 2


def test_a_better_source_is_gone_back_to_without_waiting_for_it() -> None:
    prices, (first, _), switches, clock = made("first", "second")
    first.down = True
    assert prices() == "second"
    first.down = False
    assert prices() == "second", "not before retry_s"
    assert first.asked == 1
    clock.now += 2.0
    until(prices, "first")
    assert [s.after for s in switches] == ["second", "first"]
    assert prices.using == "first"


def test_a_better_source_that_is_still_down_changes_nothing() -> None:
    prices, (first, _), switches, clock = made("first", "second")
    first.down = True
    prices()
    for _ in range(5):
        clock.now += 2.0
        assert prices() == "second"
    assert len(switches) == 1


def test_with_no_source_left_the_first_cause_is_raised_and_the_next_look_tries_again() -> None:
    prices, (first, second), switches, _ = made("first", "second")
    first.down = second.down = True
    with pytest.raises(ConnectionError, match="first is down"):
        prices()
    first.down = False
    assert prices() == "first"
    assert switches == []


def test_a_tick_source_that_ccxt_does_not_know_is_a_bad_setting() -> None:
    class Exchange:
        name = "Binance"

    class Bot:
        exchange = Exchange()

    settings = BreakerSettings(tick_sources=(PriceSource(exchange="no_such_exchange"),))
    with pytest.raises(ConfigError, match="no_such_exchange"):
        price_sources(Bot(), settings, lambda switch: None)
