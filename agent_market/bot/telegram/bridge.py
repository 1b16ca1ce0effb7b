"""Joining freqtrade's Telegram: handlers, help, menu, keys, alerts and questions, in and out with the bot.

A question is answered on a thread beside Telegram's event loop, so that /stop and /count are not held up.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from telegram import BotCommand
from telegram.error import TelegramError
from telegram.ext import CallbackQueryHandler, CommandHandler, filters

from agent_market.bot.alerting.alerts import Alert
from agent_market.bot.alerting.forwarding import KINDS, passes
from agent_market.bot.freqtrade_internals import telegram as internals
from agent_market.bot.plugin import BotPlugin
from agent_market.bot.telegram.commands import COMMANDS, Command, help_text
from agent_market.bot.telegram.formatting import messages
from agent_market.bot.telegram.questions import PATTERN, Questions, user_name
from agent_market.bot.telegram.request import Asked
from agent_market.bot.workers import PREFIX
from agent_market.errors import AgentMarketError

logger = logging.getLogger(__name__)

GROUP = 7
"""A handler group of our own: freqtrade's, in group 0, are asked as before."""
LOOK_EVERY_S = 0.1
SLOW_AT_ONCE = 2

FREQTRADE_MENU = (
    ("status", "Open trades"),
    ("profit", "Profit so far"),
    ("balance", "Balance"),
    ("count", "Open trades of how many"),
    ("stop", "Stop the bot"),
    ("help", "All commands"),
)
"""Freqtrade sets no menu; with ours alone it would seem to have no commands."""

MARKS = {
    "info": "\N{INFORMATION SOURCE}",
    "warning": "\N{WARNING SIGN}",
    "critical": "\N{POLICE CARS REVOLVING LIGHT}",
}


class TelegramBridge:
    """Our side of one bot's Telegram. `start` returns at once; joining waits for Telegram's own start."""

    def __init__(self, attachment: BotPlugin, module: Any) -> None:
        self._attachment = attachment
        self._module = module
        self._settings = attachment.strategy.settings.bot
        self._questions = Questions(attachment, module)
        self._stopped = threading.Event()
        self._slow = ThreadPoolExecutor(SLOW_AT_ONCE, f"{PREFIX}telegram-answer")
        self._urgent = ThreadPoolExecutor(1, f"{PREFIX}telegram-switch")
        self._told = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._wait, name=f"{PREFIX}telegram", daemon=True)

    def start(self) -> None:
        """Join as soon as Telegram runs."""
        self._thread.start()

    def stop(self) -> None:
        """Take no further question; those under way end, unheard where the bot ends before."""
        self._stopped.set()
        self._thread.join(5.0)
        for pool in (self._slow, self._urgent):
            pool.shutdown(wait=False, cancel_futures=True)
        if internals.is_ready(self._module):
            internals.soon(self._module, self._cancel)

    def _cancel(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()

    def _wait(self) -> None:
        while not self._stopped.wait(LOOK_EVERY_S):
            if internals.is_ready(self._module):
                internals.soon(self._module, self._join)
                return
            if internals.is_dead(self._module):
                self._attachment.fault("Telegram did not start; there are no commands", RuntimeError("ended"))
                return

    # --- on Telegram's event loop --------------------------------------------------------------------

    def _join(self) -> None:
        try:
            if self._settings.telegram.commands:
                self._add_commands()
            self._attachment.on_detach(self._attachment.bus.subscribe(self._heard))
            for alert in self._attachment.bus.recent(self._settings.alerts_kept):
                self._tell(alert)
        except Exception as error:
            logger.exception("our commands could not be added to Telegram")
            self._attachment.fault("our commands could not be added to Telegram", error)

    def _add_commands(self) -> None:
        app = internals.application(self._module)
        only_new = filters.UpdateType.MESSAGE  # an edited message is not ordered a second time
        for command in COMMANDS:
            app.add_handler(
                CommandHandler(
                    command.name,
                    internals.authorised(self._module, self._handler(command)),
                    filters=only_new,
                    block=False,
                ),
                group=GROUP,
            )
        app.add_handler(
            CommandHandler("help", internals.authorised(self._module, _help), filters=only_new, block=False),
            group=GROUP,
        )
        app.add_handler(
            CallbackQueryHandler(
                internals.authorised(self._module, self._pressed), pattern=PATTERN, block=False
            ),
            group=GROUP,
        )
        internals.add_keys(self._module, self._settings.telegram.keyboard)
        self._run(self._set_menu())

    def _handler(self, command: Command) -> internals.Handler:
        async def answer(module: Any, update: Any, context: Any) -> None:
            pool = self._urgent if command.urgent else self._slow
            by = user_name(update.effective_user)
            loop = asyncio.get_running_loop()
            text = await loop.run_in_executor(pool, self._answer, command, context.args or (), by)
            for html in messages(self._attachment.redactor.text(text)):
                await internals.say(module, html)

        return answer

    async def _pressed(self, module: Any, update: Any, context: Any) -> None:
        await self._questions.pressed(module, update, context)

    async def _set_menu(self) -> None:
        """Commands that the owner set by hand come first, and stay."""
        bot = internals.application(self._module).bot
        try:
            known = {command.command: command.description for command in await bot.get_my_commands()}
            for name, tells in (*((c.name, c.tells) for c in COMMANDS), *FREQTRADE_MENU):
                known.setdefault(name, tells)
            await bot.set_my_commands([BotCommand(name, tells) for name, tells in known.items()])
        except TelegramError as error:
            self._attachment.fault("the menu of commands could not be set", error)

    def _run(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):
            logger.error("Telegram could not be told: %r", error)
            self._attachment.fault("Telegram could not be told", error)

    # --- alerts --------------------------------------------------------------------------------------

    def _heard(self, alert: Alert) -> None:
        """On the alert thread."""
        internals.soon(self._module, self._tell, alert)

    def _tell(self, alert: Alert) -> None:
        if alert.number <= self._told:
            return
        self._told = alert.number
        if alert.topic == "proposal" and "proposal" in alert.data and self._settings.telegram.commands:
            self._run(self._questions.ask(int(alert.data["proposal"])))
            return
        if alert.topic == "message" or not passes(alert.level, self._settings.alerts.telegram):
            return
        loud = internals.loudness(self._module, KINDS[alert.level])
        if loud != "off":
            text = f"{MARKS[alert.level]} {alert.level}: {alert.topic}\n{alert.text}"
            html = messages(text)[0]
            self._run(internals.say(self._module, html, loud == "silent"))

    # --- beside it -----------------------------------------------------------------------------------

    def _answer(self, command: Command, words: Sequence[str], by: str) -> str:
        try:
            return command.answer(Asked.of(self._attachment, words, by))
        except AgentMarketError as error:
            return str(error)
        except Exception as error:
            logger.exception("/%s failed", command.name)
            return f"/{command.name} failed: {error!r}; the log has the rest"
        finally:
            internals.release_session()


async def _help(module: Any, update: Any, context: Any) -> None:
    for html in messages(help_text()):
        await internals.say(module, html)


def join(attachment: BotPlugin) -> TelegramBridge | None:
    """Join the bot's Telegram, and leave it with the bot; None where freqtrade's is not enabled."""
    module = internals.telegram_of(attachment.strategy)
    if module is None:
        return None
    desk = TelegramBridge(attachment, module)
    attachment.on_detach(desk.stop)
    desk.start()
    return desk
