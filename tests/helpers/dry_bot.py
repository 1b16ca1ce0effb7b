"""A real freqtrade bot in this process, in dry-run on the sandbox; orders are counted where they leave it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from freqtrade.configuration import Configuration
from freqtrade.enums import RunMode, State
from freqtrade.freqtradebot import FreqtradeBot
from freqtrade.persistence import Trade

from agent_market.bot.plugin import BotPlugin
from agent_market.sandbox.exchange import create_exchange_app
from agent_market.sandbox.faults import FaultRegistry
from agent_market.sandbox.server import running
from agent_market.stress.bots import synthetic
from agent_market.stress.dry_config import PAIRS, THIN_BOOKS, dry_run_config

STRATEGY = '''
from agent_market.strategy.guarded import GuardedStrategy


class Always(GuardedStrategy):
    """Wants in on every candle."""

    timeframe = "1m"
    stoploss = -0.10
    minimal_roi = {"0": 10}
    startup_candle_count = 0
    can_short = SHORT

    def populate_indicators(self, dataframe, metadata):
        return dataframe

    def populate_entry_trend(self, dataframe, metadata):
        tag = f"t {metadata['pair']}@now"
        dataframe.loc[dataframe["volume"] >= 0, ["enter_long", "enter_tag"]] = (1, tag)
        return dataframe

    def populate_exit_trend(self, dataframe, metadata):
        return dataframe

    def custom_entry_price(self, pair, trade, current_time, proposed_rate, entry_tag, side, **kwargs):
        # Through the spread: the market moves between freqtrade's two looks at the book, and an order at the
        # best price of the first may then wait for hours.
        return proposed_rate * (1.001 if side == "long" else 0.999)
BODY
'''


@dataclass
class Order:
    """One entry order as it left freqtrade for the exchange."""

    pair: str
    side: str
    notional: float
    leverage: float
    type: str


@dataclass
class DryBot:
    """The bot, what joined it, the exchange's faults, and every order that it placed."""

    bot: FreqtradeBot
    board: FaultRegistry
    folder: Path
    orders: list[Order] = field(default_factory=list)

    @property
    def strategy(self) -> Any:
        return self.bot.strategy

    @property
    def attachment(self) -> BotPlugin:
        return self.bot.strategy.attachment

    @property
    def rpc(self) -> Any:
        return self.bot.rpc._rpc

    def process(self) -> None:
        """One iteration of the bot's loop."""
        self.bot.process()

    def open_notional(self) -> dict[str, float]:
        return {t.pair: t.amount * t.open_rate for t in Trade.get_open_trades()}


def config_of(folder: Path, url: str, changes: Mapping[str, Any], body: str, futures: bool) -> Path:
    """Write strategy and config for a bot under `folder`."""
    (folder / "strategies").mkdir(parents=True, exist_ok=True)
    text = STRATEGY.replace("BODY", body).replace("SHORT", str(futures))
    (folder / "strategies" / "always.py").write_text(text)
    config = {
        **dry_run_config("Always", url),
        "db_url": "sqlite://",
        "agent_market": {"risk": {"liquidity": THIN_BOOKS}},
    }
    if futures:
        config |= {"trading_mode": "futures", "margin_mode": "isolated"}
        config["exchange"]["pair_whitelist"] = [f"{pair}:USDT" for pair in PAIRS]
    for key, value in changes.items():
        inner = config.get(key)
        config[key] = {**inner, **value} if isinstance(inner, dict) else value
    file = folder / "config.json"
    file.write_text(json.dumps(config))
    return file


def make_bot(file: Path) -> FreqtradeBot:
    """The bot of a config file, as `freqtrade trade` makes it."""
    arguments = {"config": [str(file)], "user_data_dir": str(file.parent), "datadir": str(file.parent)}
    return FreqtradeBot(Configuration(arguments, RunMode.DRY_RUN).get_config())


@contextmanager
def dry_bot(
    folder: Path, changes: Mapping[str, Any] | None = None, body: str = "", futures: bool = False
) -> Iterator[DryBot]:
    """A running bot with the layer attached, for as long as the block lasts."""
    board = FaultRegistry()
    with running(create_exchange_app(synthetic(), board)) as url:
        bot = make_bot(config_of(folder, url, changes or {}, body, futures))
        try:
            bot.state = State.RUNNING
            yield counted(DryBot(bot, board, folder))
        finally:
            bot.cleanup()


def counted(dry: DryBot) -> DryBot:
    """Count every entry order at the one door to the exchange."""
    original = dry.bot.exchange.create_order

    def create_order(**order: Any) -> Any:
        if not order.get("reduceOnly") and order.get("side") in ("buy", "sell"):
            dry.orders.append(
                Order(
                    order["pair"],
                    order["side"],
                    order["amount"] * order["rate"],
                    order["leverage"],
                    order["ordertype"],
                )
            )
        return original(**order)

    dry.bot.exchange.create_order = create_order  # type: ignore[method-assign]
    return dry


def now() -> datetime:
    return datetime.now(UTC)
