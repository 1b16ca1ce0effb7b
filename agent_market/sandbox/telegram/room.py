"""Everything that a bot's Telegram would know: updates that wait for it, what it sent, and its menu."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from agent_market.errors import SandboxError
from agent_market.sandbox.telegram.entities import visible

BOT = {"id": 1, "is_bot": True, "first_name": "Sandbox", "username": "sandbox_bot"}

Json = dict[str, Any]


@dataclass(slots=True)
class Sent:
    """One thing that the bot did. `number` rises by one each; `text` is what a reader sees."""

    number: int
    at: float
    method: str
    chat_id: int
    message_id: int
    text: str
    buttons: list[Json] = field(default_factory=list)


class ChatState:
    """One bot's side of Telegram. Used from the server's event loop only."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.commands: list[Json] = []
        self._updates: list[Json] = []
        self._count = 0
        self._messages = 0
        self._arrived = asyncio.Event()

    def say(self, chat_id: int, user_id: int, text: str, username: str | None = None) -> Json:
        """A user writes `text`; the update that the bot will be given."""
        self._messages += 1
        message: Json = {
            "message_id": self._messages,
            "date": int(time.time()),
            "chat": _chat(chat_id),
            "from": _user(user_id, username),
            "text": text,
        }
        if text.startswith("/"):
            length = len(text.split(maxsplit=1)[0])
            message["entities"] = [{"type": "bot_command", "offset": 0, "length": length}]
        return self._add("message", message)

    def press(self, chat_id: int, user_id: int, message_id: int, data: str) -> Json:
        """A user presses an inline button under message `message_id`.

        :raises SandboxError: no button there says so now.
        """
        newest = [s for s in self.sent if s.message_id == message_id and s.method != "answerCallbackQuery"]
        if not newest or data not in {button.get("callback_data") for button in newest[-1].buttons}:
            raise SandboxError(f"message {message_id} has no button {data!r}")
        query: Json = {
            "id": f"press-{len(self._updates)}-{message_id}",
            "from": _user(user_id, None),
            "chat_instance": "1",
            "data": data,
            "message": {
                "message_id": message_id,
                "date": int(newest[0].at),
                "chat": _chat(chat_id),
                "from": BOT,
                "text": newest[-1].text,
            },
        }
        return self._add("callback_query", query)

    async def updates(self, offset: int, timeout_s: float) -> list[Json]:
        """Updates from `offset` on; waits for one up to `timeout_s`. Earlier ones are confirmed and gone."""
        if offset > 0:
            self._updates = [u for u in self._updates if u["update_id"] >= offset]
        deadline = time.monotonic() + timeout_s
        while not self._updates and (left := deadline - time.monotonic()) > 0:
            self._arrived.clear()
            try:
                await asyncio.wait_for(self._arrived.wait(), left)
            except TimeoutError:
                break
            except asyncio.CancelledError:  # the server ends: so does the poll, with nothing
                return []
        return list(self._updates)

    def drop(self) -> None:
        """Forget what waits (`drop_pending_updates`)."""
        self._updates = []

    def send(self, chat_id: int, text: str, parse_mode: str | None, buttons: list[Json]) -> Json:
        """The bot's message, as Telegram gives it back.

        :raises SandboxError: Telegram would refuse it.
        """
        seen = visible(text, parse_mode)
        self._messages += 1
        return self._note("sendMessage", chat_id, self._messages, seen, buttons)

    def edit(
        self, chat_id: int, message_id: int, text: str, parse_mode: str | None, buttons: list[Json]
    ) -> Json:
        """An earlier message of the bot with another text and other buttons.

        :raises SandboxError: there is no such message, or Telegram would refuse the text.
        """
        if not any(s.message_id == message_id and s.chat_id == chat_id for s in self.sent):
            raise SandboxError("Bad Request: message to edit not found")
        return self._note("editMessageText", chat_id, message_id, visible(text, parse_mode), buttons)

    def answer(self, text: str) -> None:
        """The bot's answer to a pressed button."""
        self.sent.append(Sent(len(self.sent) + 1, time.time(), "answerCallbackQuery", 0, 0, text))

    def _note(self, method: str, chat_id: int, message_id: int, text: str, buttons: list[Json]) -> Json:
        self.sent.append(Sent(len(self.sent) + 1, time.time(), method, chat_id, message_id, text, buttons))
        return {
            "message_id": message_id,
            "date": int(time.time()),
            "chat": _chat(chat_id),
            "from": BOT,
            "text": text,
        }

    def _add(self, kind: str, content: Json) -> Json:
        self._count += 1
        update = {"update_id": self._count, kind: content}
        self._updates.append(update)
        self._arrived.set()
        return update


def _chat(chat_id: int) -> Json:
    return {"id": chat_id, "type": "private", "first_name": "Trader"}


def _user(user_id: int, username: str | None) -> Json:
    user: Json = {"id": user_id, "is_bot": False, "first_name": "Trader"}
    return user | ({"username": username} if username else {})
