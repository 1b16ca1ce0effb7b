"""Every private part of freqtrade that the running bot leans on, in one module.

`tests/freqtrade_contract/test_bot_seams.py` pins each; a freqtrade that moves one makes `attach` refuse to
start (the gate) or go without (everything else).
"""

from __future__ import annotations

import functools
import inspect
import logging
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from freqtrade.freqtradebot import FreqtradeBot
from freqtrade.persistence import LocalTrade
from freqtrade.rpc import RPC, RPCHandler, RPCManager
from freqtrade.strategy import IStrategy

from agent_market.errors import GateMissing
from agent_market.utils.redaction import without_secrets

logger = logging.getLogger(__name__)

GATED = "get_valid_enter_price_and_stake"
GATED_PARAMETERS = (
    *("pair", "price", "stake_amount", "trade_side", "entry_tag", "trade", "mode", "leverage_"),
)

Priced = tuple[float, float, float]
"""(price, stake, leverage); stake 0 places no order."""


class Gate(Protocol):
    """Stands between freqtrade's own answer and the order; see `install_gate`."""

    def __call__(
        self,
        original: Callable[..., Priced],
        pair: str,
        price: float | None,
        stake_amount: float,
        trade_side: str,
        entry_tag: str | None,
        trade: LocalTrade | None,
        mode: str,
        leverage_: float | None,
    ) -> Priced: ...


_forced = threading.local()


def rpc_manager(strategy: IStrategy) -> RPCManager:
    """The bot's RPC manager, from `bot_start` on."""
    manager: RPCManager | None = getattr(strategy.dp, "_DataProvider__rpc", None)
    if manager is None:
        raise GateMissing("the data provider holds no RPC manager: is this `freqtrade trade`, 2026.9?")
    return manager


def rpc_of(strategy: IStrategy) -> RPC:
    """What Telegram and REST act through: one object for all of them."""
    return rpc_manager(strategy)._rpc


def running_bot(strategy: IStrategy) -> FreqtradeBot:
    """The bot that runs `strategy`.

    :raises GateMissing: it cannot be reached.
    """
    bot = getattr(getattr(rpc_manager(strategy), "_rpc", None), "_freqtrade", None)
    if not isinstance(bot, FreqtradeBot):
        raise GateMissing(f"the RPC manager leads to {type(bot).__name__}, no FreqtradeBot")
    return bot


def install_gate(bot: FreqtradeBot, gate: Gate) -> None:
    """Make every entry (initial, added, replaced, forced) pass `gate`, and make sure that it does.

    :raises GateMissing: freqtrade prices entries in another way than in 2026.9.
    """
    method = getattr(FreqtradeBot, GATED, None)
    if method is None:
        raise GateMissing(f"this freqtrade has no FreqtradeBot.{GATED}: entries would pass by the risk gate")
    found = tuple(inspect.signature(method).parameters)[1:]
    if found != GATED_PARAMETERS:
        raise GateMissing(
            f"FreqtradeBot.{GATED} takes {found}, not {GATED_PARAMETERS}; see docs/how-to/bot.md"
        )
    if f"self.{GATED}(" not in inspect.getsource(FreqtradeBot.execute_entry):
        raise GateMissing(
            f"FreqtradeBot.execute_entry no longer asks {GATED}: entries would pass by the gate"
        )
    gated = functools.partial(gate, method.__get__(bot))
    setattr(bot, GATED, gated)
    if getattr(bot, GATED) is not gated:
        raise GateMissing(f"FreqtradeBot.{GATED} cannot be replaced: entries would pass by the risk gate")


@dataclass(frozen=True, slots=True)
class OrderSent:
    """An order as it leaves freqtrade for the exchange."""

    pair: str
    type: str
    side: str
    size: float
    rate: float
    leverage: float


def watch_orders(
    bot: FreqtradeBot, placed: Callable[[OrderSent], None], failed: Callable[[OrderSent, Exception], None]
) -> None:
    """Hear of each order that the exchange took, or that could not be placed there; nothing else changes.

    Both are called on the bot's thread, under its lock. What they raise is logged: an order that the exchange
    took must be written down by freqtrade whatever happens here.
    """
    original = bot.exchange.create_order

    def create_order(**given: Any) -> Any:
        names = ("pair", "ordertype", "side", "amount", "rate", "leverage")
        order = OrderSent(*(given[name] for name in names))
        try:
            answer = original(**given)
        except Exception as error:
            _tell(failed, order, error)
            raise
        _tell(placed, order)
        return answer

    setattr(bot.exchange, "create_order", create_order)  # noqa: B010 - mypy knows it as a method


def mark_forced_entries(rpc: RPC) -> None:
    """Make `is_forced()` true within an entry that a human forced over Telegram or REST."""
    original = rpc._rpc_force_entry

    def force_entry(*args: Any, **kwargs: Any) -> Any:
        with _forcing(kwargs.get("order_type")):
            return original(*args, **kwargs)

    rpc._rpc_force_entry = force_entry  # type: ignore[method-assign]


def is_forced() -> bool:
    """Whether this thread is within an entry that a human forced."""
    return getattr(_forced, "depth", 0) > 0


def entry_type(strategy: IStrategy) -> str:
    """Order type ("limit", "market") of the entry that is under way on this thread."""
    types = strategy.order_types
    if not is_forced():
        return str(types["entry"])
    return str(_forced.order_type or types.get("force_entry", types["entry"]))


@contextmanager
def _forcing(order_type: str | None) -> Iterator[None]:
    _forced.depth, _forced.order_type = getattr(_forced, "depth", 0) + 1, order_type
    try:
        yield
    finally:
        _forced.depth -= 1


class Listener(RPCHandler):
    """Hears every message of the bot, and of its end (`cleanup` runs at shutdown and before a reload)."""

    def __init__(
        self, rpc: RPC, config: Any, heard: Callable[[dict[str, Any]], None], ended: Callable[[], None]
    ) -> None:
        super().__init__(rpc, config)
        self._heard = heard
        self._ended = ended

    @property
    def name(self) -> str:
        return "agent_market"

    def send_msg(self, msg: Any) -> None:
        self._heard(dict(msg))

    def cleanup(self) -> None:
        self._ended()


def listen(strategy: IStrategy, heard: Callable[[dict[str, Any]], None], ended: Callable[[], None]) -> None:
    """Add a `Listener` beside Telegram, webhook and REST."""
    manager = rpc_manager(strategy)
    manager.registered_modules.append(Listener(manager._rpc, manager._rpc._freqtrade.config, heard, ended))


def notify(manager: RPCManager, kind: Any, text: str, leave_out: Collection[str] = ()) -> None:
    """A status message to Telegram, webhook and REST. Not from the bot's loop: a webhook may be slow.

    :param leave_out: names of modules that are not told.
    """
    for module in tuple(manager.registered_modules):
        if module.name in leave_out:
            continue
        try:
            module.send_msg({"type": kind, "status": text})  # type: ignore[arg-type,misc]
        except Exception:  # as freqtrade's own `send_msg`: one that fails must not silence the next
            logger.exception("%s could not be told: %s", module.name, text)


def _tell(heard: Callable[..., None], *what: Any) -> None:
    try:
        heard(*what)
    except Exception:
        logger.exception("what watches orders failed")


def force_entry(rpc: RPC, pair: str, stake: float) -> None:
    """Buy as a human does over Telegram or REST. Not under the bot's lock.

    :raises RPCException: it was refused, or could not be placed.
    """
    rpc._rpc_force_entry(pair, None, stake_amount=stake)


def force_exit(rpc: RPC, trade_id: str) -> None:
    """Sell at market. From `bot_loop_start` or another thread only: it takes the bot's exit lock."""
    rpc._rpc_force_exit(trade_id, "market")


def clean_results() -> None:
    """Let the config that freqtrade packs with a backtest's result hold no secret.

    Freqtrade blanks a list of settings of its own there, without `api_server.jwt_secret_key`, and knows
    nothing of addresses in the section `agent_market`.
    """
    from freqtrade.optimize.optimize_reports import bt_storage  # noqa: PLC0415 - for backtests only

    original = bt_storage.sanitize_config
    if getattr(original, "is_ours", False):
        return

    def clean(config: Any, *, show_sensitive: bool = False) -> Any:
        return without_secrets(original(config, show_sensitive=show_sensitive))

    clean.is_ours = True  # type: ignore[attr-defined]
    bt_storage.sanitize_config = clean
