"""Every private part of freqtrade's Telegram that our commands lean on; the rest of `internals.freqtrade`.

`tests/freqtrade_contract/test_telegram_seams.py` pins each; without one the bot runs without our commands.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

from freqtrade.enums import RPCMessageType
from freqtrade.persistence import Trade
from freqtrade.strategy import IStrategy

from agent_market.bot.freqtrade_internals.freqtrade import rpc_manager
from agent_market.config import SECTION

if TYPE_CHECKING:
    from freqtrade.rpc.telegram import Telegram
    from telegram.ext import Application

Handler = Callable[["Telegram", Any, Any], Coroutine[Any, Any, None]]

HTML = "HTML"


def telegram_of(strategy: IStrategy) -> Telegram | None:
    """Freqtrade's Telegram of this bot; None where it is not enabled."""
    modules = {module.name: module for module in rpc_manager(strategy).registered_modules}
    return modules.get("telegram")  # type: ignore[return-value]


def is_ready(module: Telegram) -> bool:
    """Whether its event loop runs and its application takes updates; it starts in a thread of its own."""
    app, loop = getattr(module, "_app", None), getattr(module, "_loop", None)
    return bool(app is not None and loop is not None and loop.is_running() and app.running)


def is_dead(module: Telegram) -> bool:
    """Whether its thread has ended: it could not start, or the bot ends."""
    return not module._thread.is_alive()


def soon(module: Telegram, work: Callable[..., object], *arguments: object) -> None:
    """Call `work` on its event loop, from any thread."""
    module._loop.call_soon_threadsafe(work, *arguments)


def application(module: Telegram) -> Application[Any, Any, Any, Any, Any, Any]:
    """What takes its updates and talks to the Bot API, once it `is_ready`."""
    return module._app


def authorised(module: Telegram, handler: Handler) -> Callable[[Any, Any], Coroutine[Any, Any, None]]:
    """`handler` behind freqtrade's own check of chat, topic and user."""
    from freqtrade.rpc.telegram import authorized_only  # noqa: PLC0415 - heavy, and only where it is enabled

    return partial(authorized_only(handler), module)


async def say(module: Telegram, html: str, silent: bool = False) -> None:
    """A message to the bot's own chat; freqtrade tries twice and logs a failure."""
    await module._send_msg(html, parse_mode=HTML, disable_notification=silent)


async def ask(module: Telegram, html: str, keyboard: Any) -> int:
    """A message with inline buttons to the bot's own chat; its id, so that it can be edited.

    :raises telegram.error.TelegramError: it could not be sent.
    """
    config = module._config["telegram"]
    message = await module._app.bot.send_message(
        config["chat_id"],
        text=html,
        parse_mode=HTML,
        reply_markup=keyboard,
        message_thread_id=config.get("topic_id"),
    )
    return int(message.message_id)


async def edit(module: Telegram, message_id: int, html: str) -> None:
    """Another text for a message of the bot, without buttons.

    :raises telegram.error.TelegramError: Telegram refuses.
    """
    chat_id = module._config["telegram"]["chat_id"]
    await module._app.bot.edit_message_text(html, chat_id=chat_id, message_id=message_id, parse_mode=HTML)


def add_keys(module: Telegram, keys: tuple[str, ...]) -> None:
    """One more row of keys; a keyboard in the config refuses commands that freqtrade does not know."""
    if keys and list(keys) not in module._keyboard:
        module._keyboard = [*module._keyboard, list(keys)]


def loudness(module: Telegram, kind: RPCMessageType) -> str:
    """`on`, `silent` or `off`, by `telegram.notification_settings`."""
    return module._message_loudness({"type": kind, "status": ""})  # type: ignore[typeddict-item,misc]


def release_session() -> None:
    """Give this thread's database session back."""
    Trade.session.remove()


def use_own_bot_api() -> None:
    """Let `agent_market.bot.telegram.base_url` say where the Bot API is; before the bot's RPC starts."""
    from freqtrade.rpc.telegram import Telegram  # noqa: PLC0415 - heavy, and only where it is asked for
    from telegram.ext import Application  # noqa: PLC0415

    original = Telegram._init_telegram_app
    if getattr(original, "is_ours", False):
        return

    def start(self: Telegram) -> Any:
        bot = self._config.get(SECTION, {}).get("bot", {})
        url = bot.get("telegram", {}).get("base_url")
        if not url:
            return original(self)
        return Application.builder().token(self._config["telegram"]["token"]).base_url(url).build()

    start.is_ours = True  # type: ignore[attr-defined]
    Telegram._init_telegram_app = start  # type: ignore[method-assign]
