"""WebSocket streams: what ccxt.pro makes of them, and that they agree with the REST book."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import ccxt.pro
import pytest
import websockets
from ccxt.base.errors import ChecksumError

from agent_market.sandbox.endpoints import overlay, stream_addresses
from agent_market.sandbox.exchange.book_feed import LEVELS, BookFeed, changed
from agent_market.sandbox.exchange.symbols import SymbolTable
from agent_market.sandbox.faults import Drop, FaultRegistry, Latency, SequenceGap
from agent_market.sandbox.market import LiveMarket, Market, SyntheticSource
from agent_market.sandbox.market.candles import MINUTE
from agent_market.sandbox.pytest_plugin import SandboxExchange

BOOKS = [("BTC/USDT", "/stream/btcusdt@depth"), ("BTC/USDT:USDT", "/fstream/btcusdt@depth")]


class SteppedClock:
    """Moves on by `step` ms at each look, so that a market has news whenever it is asked."""

    def __init__(self, now: int, step: int) -> None:
        self.now, self.step = now, step

    def __call__(self) -> int:
        self.now += self.step
        return self.now


START = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp() * 1000)


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock(START + 500 * MINUTE + 1, 40)


@pytest.fixture
def sandbox_market(clock: SteppedClock) -> Market:
    return LiveMarket(SyntheticSource(seed=7, start=START), clock=clock)


def with_ccxt(url: str, symbol: str, script: Callable[[Any], Awaitable[None]]) -> None:
    """Run `script` with ccxt.pro's Binance, pointed at the sandbox."""

    async def run() -> None:
        config: dict[str, Any] = overlay(url)["exchange"]["ccxt_config"]
        config["urls"]["api"]["ws"] = stream_addresses(url)
        config["options"]["defaultType"] = "swap" if ":" in symbol else "spot"
        exchange = ccxt.pro.binance(config)
        try:
            await asyncio.wait_for(script(exchange), 120)
        finally:
            await exchange.close()

    asyncio.run(run())


def levels(side: list[list[float]]) -> list[tuple[float, float]]:
    return [(price, amount) for price, amount in side]


async def assert_book_agrees(exchange: Any, symbol: str) -> None:
    """The streamed book equals the REST book of the same id, taken while the stream goes on."""
    seen: dict[int, tuple[Any, Any]] = {}
    fetched: dict[int, tuple[Any, Any]] = {}
    for _ in range(60):
        book = await exchange.watch_order_book(symbol)
        seen[book["nonce"]] = (levels(book["bids"]), levels(book["asks"]))
        rest = await exchange.fetch_order_book(symbol, LEVELS)
        fetched[rest["nonce"]] = (levels(rest["bids"]), levels(rest["asks"]))
        both = seen.keys() & fetched.keys()
        if len(both) >= 3:
            assert len(seen) > 3
            for number in both:
                assert seen[number] == fetched[number]
            return
    pytest.fail(f"of {len(seen)} streamed and {len(fetched)} fetched books fewer than 3 have one id")


@pytest.mark.parametrize(("symbol", "path"), BOOKS)
def test_ccxt_pro_keeps_the_order_book_that_rest_shows(
    sandbox_exchange: SandboxExchange, symbol: str, path: str
) -> None:
    with_ccxt(sandbox_exchange.url, symbol, lambda exchange: assert_book_agrees(exchange, symbol))


@pytest.mark.parametrize(("symbol", "path"), BOOKS)
def test_ccxt_pro_notices_a_gap_and_recovers(
    sandbox_exchange: SandboxExchange, sandbox_board: FaultRegistry, symbol: str, path: str
) -> None:
    async def watch(exchange: Any, times: int) -> None:
        for _ in range(times):
            await exchange.watch_order_book(symbol)

    async def script(exchange: Any) -> None:
        await watch(exchange, 3)
        sandbox_board.add(SequenceGap(path=path, count=1))
        with pytest.raises(ChecksumError):
            await watch(exchange, 50)
        assert sandbox_board.report()["faults"][0]["hits"] == 1
        await assert_book_agrees(exchange, symbol)

    with_ccxt(sandbox_exchange.url, symbol, script)


@pytest.mark.parametrize("symbol", ["BTC/USDT", "BTC/USDT:USDT"])
def test_ccxt_pro_reads_trades_and_best_prices(
    sandbox_exchange: SandboxExchange, clock: SteppedClock, symbol: str
) -> None:
    clock.step = 5_000  # trades are published when their minute is over

    async def script(exchange: Any) -> None:
        exchange.newUpdates = True
        ids: list[int] = []
        while len(ids) < 20:
            ids += [int(trade["id"]) for trade in await exchange.watch_trades(symbol)]
        assert ids == list(range(ids[0], ids[0] + len(ids)))
        listed = await exchange.fetch_trades(symbol, limit=1000)
        assert set(ids) <= {int(trade["id"]) for trade in listed}
        best = (await exchange.watch_bids_asks([symbol]))[symbol]
        assert 0 < best["bid"] < best["ask"]

    with_ccxt(sandbox_exchange.url, symbol, script)


def test_no_stream_of_the_real_exchange_is_left() -> None:
    def addresses(found: dict[str, Any]) -> list[str]:
        return [a for v in found.values() for a in (addresses(v) if isinstance(v, dict) else [v])]

    config: dict[str, Any] = overlay("http://127.0.0.1:1")["exchange"]["ccxt_config"]
    config["urls"]["api"]["ws"] = stream_addresses("http://127.0.0.1:1")
    left = addresses(ccxt.pro.binance(config).urls["api"]["ws"])
    assert left
    assert all(address.startswith("ws://127.0.0.1:1/") for address in left)


def raw(url: str, path: str, script: Callable[[Any], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with websockets.connect(url.replace("http", "ws", 1) + path, max_size=None) as socket:
            return await asyncio.wait_for(script(socket), 60)

    return asyncio.run(run())


def test_streams_are_subscribed_listed_and_left_as_on_binance(sandbox_exchange: SandboxExchange) -> None:
    async def script(socket: Any) -> list[Any]:
        answers = []
        for number, (method, names) in enumerate(
            [
                ("SUBSCRIBE", ["ethusdt@trade"]),
                ("LIST_SUBSCRIPTIONS", []),
                ("UNSUBSCRIBE", ["ethusdt@trade"]),
                ("LIST_SUBSCRIPTIONS", []),
                ("SUBSCRIBE", ["dogeusdt@depth"]),
                ("SUBSCRIBE", ["ethusdt@kline_1m"]),
                ("DANCE", []),
            ]
        ):
            await socket.send(json.dumps({"method": method, "params": names, "id": number}))
            while "id" not in (answer := json.loads(await socket.recv())):
                pass
            answers.append(answer.get("result", answer.get("error", {}).get("code")))
        return answers

    answers = raw(sandbox_exchange.url, "/ws", script)
    assert answers == [None, ["ethusdt@trade"], None, [], -1121, -1130, 2]


def test_a_combined_stream_names_the_stream_of_each_message(sandbox_exchange: SandboxExchange) -> None:
    async def script(socket: Any) -> set[str]:
        names: set[str] = set()
        while len(names) < 2:
            message = json.loads(await socket.recv())
            names.add(message["stream"])
            assert message["data"]["s"] == message["stream"].split("@")[0].upper()
        return names

    streams = {"btcusdt@depth@100ms", "ethusdt@bookTicker"}
    assert raw(sandbox_exchange.url, "/stream?streams=" + "/".join(streams), script) == streams


def test_latency_delays_messages_without_changing_their_order(
    sandbox_exchange: SandboxExchange, sandbox_board: FaultRegistry
) -> None:
    sandbox_board.add(Latency(seconds=0.3, jitter_s=0.5, path="/stream/btcusdt@depth"))

    async def script(socket: Any) -> list[tuple[int, int]]:
        rows = [json.loads(await socket.recv()) for _ in range(5)]
        return [(row["U"], row["u"]) for row in rows]

    ids = raw(sandbox_exchange.url, "/ws/btcusdt@depth@100ms", script)
    assert all(later[0] == earlier[1] + 1 for earlier, later in pairwise(ids))


def test_a_drop_closes_the_socket(sandbox_exchange: SandboxExchange, sandbox_board: FaultRegistry) -> None:
    sandbox_board.add(Drop(path="/stream/btcusdt@bookTicker"))

    async def script(socket: Any) -> None:
        with pytest.raises(websockets.ConnectionClosed):
            await socket.recv()

    raw(sandbox_exchange.url, "/ws/btcusdt@bookTicker", script)


def test_changes_turn_each_state_of_a_feed_into_the_next(sandbox_market: Market) -> None:
    feed = BookFeed(sandbox_market, SymbolTable(sandbox_market)["BTCUSDT"])
    first = feed.watch()
    _, bids, asks = feed.snapshot(LEVELS)
    start = feed.last_id
    sides = [dict(map(tuple, side)) for side in (bids, asks)]
    for _ in range(20):
        feed.refresh()
    number, bids, asks = feed.snapshot(LEVELS)
    changes = feed.since(start)
    assert first <= start < number == changes[-1].last
    assert [c.first for c in changes] == [c.previous + 1 for c in changes]
    assert [c.previous for c in changes] == [start, *(c.last for c in changes[:-1])]
    for change in changes:
        for side, rows in zip(sides, (change.bids, change.asks), strict=True):
            side.update(dict(map(tuple, rows)))
    kept = [{price: q for price, q in side.items() if float(q)} for side in sides]
    assert kept == [dict(map(tuple, bids)), dict(map(tuple, asks))]


def test_a_level_that_is_gone_has_quantity_zero() -> None:
    assert changed([["1", "5"], ["2", "6"]], [["2", "7"], ["3", "8"]]) == [
        ["1", "0.00000000"],
        ["2", "7"],
        ["3", "8"],
    ]
