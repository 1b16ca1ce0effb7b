"""Entries that wait for a human's yes, as messages with two buttons. Silence is a no, and so is a restart."""

from __future__ import annotations

import asyncio
import logging
import secrets
from datetime import UTC, datetime
from html import escape
from typing import Any

from telegram import InlineKeyboardButton, InlineKeyboardMarkup
from telegram.error import TelegramError

from agent_market.bot.confirmations import EntryProposal
from agent_market.bot.freqtrade_internals import telegram as internals
from agent_market.bot.plugin import BotPlugin
from agent_market.utils.plain_text import plain

logger = logging.getLogger(__name__)

PATTERN = r"^am:([0-9a-f]+):(\d+):([yn])$"
GRACE_S = 0.5


class Questions:
    """Used on Telegram's event loop only.

    Numbers of proposals begin anew with each start of the bot, so each button carries the start's own mark.
    """

    def __init__(self, attachment: BotPlugin, module: Any) -> None:
        self._attachment = attachment
        self._module = module
        self._mark = secrets.token_hex(4)
        self._open: dict[int, int] = {}

    async def ask(self, number: int) -> None:
        """Send one question, and withdraw it when its time is over.

        :raises telegram.error.TelegramError: it could not be sent; then nobody can say yes.
        """
        waiting = {p.number: p for p in self._attachment.confirmations.pending()}
        proposal = waiting.get(number)
        if proposal is None:
            return
        buttons = [
            InlineKeyboardButton(word, callback_data=f"am:{self._mark}:{number}:{letter}")
            for word, letter in (("Yes, enter", "y"), ("No", "n"))
        ]
        text = question_text(proposal)
        self._open[number] = await internals.ask(self._module, text, InlineKeyboardMarkup([buttons]))
        await asyncio.sleep(max(0.0, (proposal.expires_at - datetime.now(UTC)).total_seconds()) + GRACE_S)
        message = self._open.pop(number, None)
        if message is not None:
            await self._edit(message, f"{text}\n<b>No answer: nothing is ordered.</b>")

    async def pressed(self, module: Any, update: Any, context: Any) -> None:
        """A button was pressed, by someone whom freqtrade lets in."""
        query = update.callback_query
        mark, number, letter = context.match.groups()
        by = user_name(update.effective_user)
        if mark != self._mark:
            said = "That question is from before a restart: nothing is ordered on it."
        else:
            self._open.pop(int(number), None)
            answered = self._attachment.confirmations.answer(int(number), letter == "y", by)
            said = answer_text(answered)
            if answered is not None:
                self._attachment.bus.publish(
                    "info", "control", f"{answered.pair} {answered.side} {answered.answer} by {by}", by=by
                )
        try:
            await query.answer(said)
        except TelegramError as error:  # the answer counts, whether or not the phone hears of it
            logger.warning("Telegram did not take the answer to a button: %s", error)
        if query.message is not None:
            await self._edit(
                query.message.message_id, f"{escape(plain(query.message.text))}\n<b>{escape(said)}</b>"
            )

    async def _edit(self, message: int, html: str) -> None:
        try:
            await internals.edit(self._module, message, html)
        except TelegramError as error:
            logger.warning("a question in Telegram could not be closed: %s", error)


def question_text(proposal: EntryProposal) -> str:
    """The question in HTML."""
    why = f"\nWhy: /why {proposal.tag.split(' ')[-1]}" if "@" in proposal.tag else ""
    return escape(
        plain(
            f"Enter {proposal.pair} {proposal.side}?\n"
            f"Stake {proposal.stake:.8g} at {proposal.rate:.8g}, leverage {proposal.leverage:g}\n"
            f"Until {proposal.expires_at:%H:%M:%S} UTC; no answer means no.{why}"
        )
    )


def answer_text(answered: EntryProposal | None) -> str:
    """What a press did."""
    if answered is None:
        return "Too late, or answered before: nothing changes."
    if answered.answer == "confirmed":
        return f"Yes by {answered.answered_by}: ordered at the next look, if the gate still lets it."
    return f"No by {answered.answered_by}: nothing is ordered."


def user_name(user: Any) -> str:
    """ "telegram:42 (anna)": the id is Telegram's, the name its owner's."""
    if user is None:
        return "telegram"
    return f"telegram:{user.id}" + (f" ({user.username})" if user.username else "")
