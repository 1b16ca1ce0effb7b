"""Bots to put under stress: freqtrade's own, in dry-run on a sandbox exchange, with the layer attached."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from freqtrade.configuration import Configuration
from freqtrade.enums import RunMode, State
from freqtrade.exceptions import TemporaryError
from freqtrade.freqtradebot import FreqtradeBot
from freqtrade.persistence import Trade
from freqtrade.rpc import RPCException

from agent_market.bot.freqtrade_internals import freqtrade as internals
from agent_market.bot.plugin import BotPlugin
from agent_market.sandbox.exchange import create_exchange_app
from agent_market.sandbox.faults import FaultRegistry
from agent_market.sandbox.faults.spec import Fault
from agent_market.sandbox.market import LiveMarket, Market, SyntheticSource
from agent_market.sandbox.market.candles import DAY
from agent_market.sandbox.market.clock import wall_clock
from agent_market.sandbox.server import running
from agent_market.stress.dry_config import PAIRS, write_config

logger = logging.getLogger(__name__)

SEED = 11
PAUSE_S = 0.2
PATIENCE_S = 30.0
TICKERS = "/api/v3/ticker"
EVERYTHING = "/api/v3"


@dataclass(frozen=True)
class Server:
    """A sandbox server under a URL, whose faults are switched over its admin endpoint."""

    url: str

    def faults(self, *faults: Fault) -> None:
        """Replace the faults that are on."""
        body = {"faults": [fault.model_dump(mode="json") for fault in faults]}
        httpx.put(f"{self.url}/admin/faults", json=body, timeout=10.0).raise_for_status()

    def report(self) -> list[dict[str, Any]]:
        """Every fault with its state and hits."""
        rows: list[dict[str, Any]] = httpx.get(f"{self.url}/admin/faults", timeout=10.0).json()["faults"]
        return rows


@dataclass
class StressedBot:
    """One bot, its exchange, and the orders that it sent."""

    bot: FreqtradeBot
    exchange: Server
    orders: list[internals.OrderSent] = field(default_factory=list)

    @property
    def strategy(self) -> Any:
        return self.bot.strategy

    @property
    def attachment(self) -> BotPlugin:
        found: BotPlugin = self.strategy.attachment
        return found

    @property
    def bought(self) -> int:
        """Entry orders that the exchange took."""
        return sum(order.side == "buy" for order in self.orders)

    def step(self) -> str:
        """One iteration of the bot's loop; what the loop would log and try again, or nothing."""
        try:
            self.bot.process()
        except TemporaryError as error:  # freqtrade's worker logs it and waits half a minute
            logger.warning("the bot's loop: %s", error)
            return str(error)
        return ""

    def until(self, done: Callable[[], bool], seconds: float = PATIENCE_S) -> bool:
        """Iterate until `done`, for `seconds` at most; whether it is."""
        deadline = time.perf_counter() + seconds
        while not done():
            if time.perf_counter() > deadline:
                return False
            self.step()
            time.sleep(PAUSE_S)
        return True

    def bids(self) -> dict[str, float]:
        """The best bid of each pair now, from the exchange itself."""
        rows = httpx.get(f"{self.exchange.url}/api/v3/ticker/bookTicker", timeout=10.0).json()
        names = {pair.replace("/", ""): pair for pair in PAIRS}
        return {names[row["symbol"]]: float(row["bidPrice"]) for row in rows if row["symbol"] in names}

    def notional(self) -> dict[str, float]:
        """What is open in each pair, at the best bids, in stake currency."""
        bids = self.bids()
        return {trade.pair: trade.amount * bids[trade.pair] for trade in Trade.get_open_trades()}

    def held(self) -> float:
        """What the open positions would bring at the best bids, in stake currency."""
        return sum(self.notional().values())

    def equity(self) -> float:
        """Free money and `held`, in stake currency."""
        self.bot.wallets.update()
        return float(self.bot.wallets.get_free("USDT")) + self.held()

    def forced_entry(self, pair: str, stake: float) -> str:
        """Force an entry; return why the order gate (else freqtrade) refused it, empty if it was placed."""
        try:
            internals.force_entry(internals.rpc_of(self.strategy), pair, stake)
        except RPCException as error:
            lines = self.attachment.journal.recent(20, pair)
            causes = [line["cause"] for line in lines if line["kind"] == "refusal" and line["forced"]]
            return str(causes[-1]) if causes else f"freqtrade: {error}"
        return ""

    def alerts(self, *topics: str) -> list[str]:
        """Texts of the critical alerts so far."""
        recent = self.attachment.bus.recent(500)
        return [a.text for a in recent if a.level == "critical" and (not topics or a.topic in topics)]


def seconds_until(done: Callable[[], bool], patience_s: float = PATIENCE_S) -> float:
    """Seconds from now until `done`, looked at every millisecond; infinite after `patience_s`."""
    started = time.perf_counter()
    while not done():
        if time.perf_counter() - started > patience_s:
            return float("inf")
        time.sleep(0.001)
    return time.perf_counter() - started


def synthetic(clock: Callable[[], int] = wall_clock) -> Market:
    """The seeded synthetic market at this moment, with three days behind it."""
    return LiveMarket(calm_source(), clock=clock)


def calm_source() -> SyntheticSource:
    """What that market is made of."""
    return SyntheticSource(seed=SEED, pairs=PAIRS, start=wall_clock() // DAY * DAY - 3 * DAY)


@contextmanager
def exchange(market: Market | None = None) -> Iterator[Server]:
    """A sandbox exchange with faults to switch."""
    with running(create_exchange_app(market or synthetic(), FaultRegistry())) as url:
        yield Server(url)


@contextmanager
def stressed_bot(
    folder: Path,
    server: Server,
    risk: Mapping[str, Any] | None = None,
    *,
    strategy: str = "Eager",
    section: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Iterator[StressedBot]:
    """A bot in this process for as long as the block lasts; its loop runs when `step` is called.

    :param risk: settings `agent_market.risk` beside wide liquidity limits.
    :param section: other settings of `agent_market`.
    :param changes: keys of freqtrade's config.
    """
    file = write_config(folder, server.url, risk or {}, strategy, section or {}, changes)
    arguments = {"config": [str(file)], "user_data_dir": str(folder), "datadir": str(folder)}
    with ExitStack() as stack:
        with logging_as_it_was():
            config = Configuration(arguments, RunMode.DRY_RUN).get_config()
        bot = FreqtradeBot(config)
        stack.callback(bot.cleanup)
        bot.state = State.RUNNING
        made = StressedBot(bot, server)
        internals.watch_orders(bot, made.orders.append, lambda order, error: None)
        yield made


@contextmanager
def logging_as_it_was() -> Iterator[None]:
    """Freqtrade sets up logging to the terminal as it reads a config; here it goes where it went before."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
