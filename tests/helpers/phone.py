"""A trader's phone on the sandbox's Bot API."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

CHAT, USER = 7, 42
TOKEN = "1:planted-token"
PATIENCE_S = 60.0
"""Nothing here takes so long; a stalled machine may."""


def telegram_section() -> dict[str, Any]:
    """Freqtrade's section for the phone's chat."""
    return {"enabled": True, "token": TOKEN, "chat_id": str(CHAT), "authorized_users": [str(USER)]}


@dataclass
class Chat:
    """The trader's phone."""

    client: httpx.Client

    def say(self, text: str, chat: int = CHAT, user: int = USER) -> int:
        """Write; the number of what was sent before, for `wait`."""
        before = len(self.sent())
        said = {"text": text, "chat_id": chat, "user_id": user, "username": "anna"}
        self.client.post("/admin/say", json=said).raise_for_status()
        return before

    def press(self, message_id: int, data: str, chat: int = CHAT, user: int = USER) -> None:
        pressed = {"data": data, "message_id": message_id, "chat_id": chat, "user_id": user}
        self.client.post("/admin/press", json=pressed).raise_for_status()

    def sent(self, after: int = 0) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.client.get("/admin/sent", params={"after": after}).json()
        return found

    def wait(self, words: str, after: int = 0, method: str = "sendMessage") -> dict[str, Any]:
        """The first thing sent that has `words` in it."""
        return wait(
            lambda: next((s for s in self.sent(after) if words in s["text"] and s["method"] == method), None),
            lambda: f"{words!r} in {[s['text'][:300] for s in self.sent(after)]}",
        )

    def asks(self, text: str, words: str) -> str:
        return str(self.wait(words, self.say(text))["text"])


def wait(look: Callable[[], Any], what: Callable[[], object] = str) -> Any:
    end = time.monotonic() + PATIENCE_S
    while not (found := look()):
        assert time.monotonic() < end, f"waited in vain for {what()}"
        time.sleep(0.02)
    return found
