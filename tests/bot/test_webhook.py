"""Alerts over freqtrade's own webhook, to a real receiver on loopback."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request

from agent_market.bot.alerting.alerts import Alert
from agent_market.bot.alerting.forwarding import Outbox
from agent_market.config import AlertLevel
from agent_market.sandbox.server import running
from tests.helpers.dry_bot import DryBot, dry_bot

PATIENCE_S = 60.0
EXCEPTION = "exception: critical: planted 3"
HOOK = {"enabled": True, "format": "json", "webhookstatus": {"text": "{type}: {status}"}}


class Receiver:
    """Keeps what is posted to it; while `open` is not set, its sender waits for the answer."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.open = threading.Event()
        self.open.set()
        self.app = FastAPI()
        self.app.post("/hook")(self._hook)

    async def _hook(self, request: Request) -> dict[str, str]:
        posted = await request.json()
        self.heard.append(posted["text"])
        await asyncio.to_thread(self.open.wait, PATIENCE_S)
        return {}

    def of_ours(self) -> list[str]:
        return [text for text in self.heard if "planted" in text]


def wait(look: Callable[[], Any]) -> Any:
    end = time.monotonic() + PATIENCE_S
    while not (found := look()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


@contextmanager
def hooked(folder: Path, least: AlertLevel) -> Iterator[tuple[DryBot, Receiver]]:
    receiver = Receiver()
    with running(receiver.app) as url:
        ours = {"bot": {"alerts": {"webhook": least}}}
        changes = {"webhook": {**HOOK, "url": f"{url}/hook"}, "agent_market": ours}
        try:
            with dry_bot(folder, changes) as dry:
                yield dry, receiver
        finally:
            receiver.open.set()


@pytest.mark.parametrize(
    ("least", "told"),
    [
        ("info", ["status: info: planted 1", "warning: warning: planted 2", EXCEPTION]),
        ("critical", [EXCEPTION]),
        ("off", []),
    ],
)
def test_the_webhook_gets_alerts_from_its_level_on_once_and_in_order(
    least: AlertLevel, told: list[str], tmp_path: Path
) -> None:
    with hooked(tmp_path, least) as (dry, receiver):
        bus = dry.attachment.bus
        bus.publish("info", "clamp", "planted 1")
        bus.publish("warning", "position", "planted 2")
        bus.publish("critical", "breaker", "planted 3")
        bus.publish("critical", "message", "planted 4: freqtrade's own, which it tells itself")
        wait(lambda: len(receiver.of_ours()) >= len(told))
        dry.attachment.detach()  # sends what waits: anything that was still to come has come
        assert receiver.of_ours() == told
        assert not [t for t in threading.enumerate() if t.name == "agent-market-webhook"]


def test_a_webhook_that_does_not_answer_holds_up_nobody_else(tmp_path: Path) -> None:
    with hooked(tmp_path, "warning") as (dry, receiver):
        heard: list[str] = []
        receiver.open.clear()
        dry.attachment.bus.subscribe(lambda alert: heard.append(alert.text))
        for n in (1, 2):
            dry.attachment.bus.publish("critical", "breaker", f"planted {n}")
        wait(lambda: [text for text in heard if "planted" in text] == ["planted 1", "planted 2"])
        assert len(receiver.of_ours()) < 2, "it has not answered yet"
        receiver.open.set()
        wait(lambda: len(receiver.of_ours()) == 2)


def test_a_receiver_that_stays_too_slow_loses_the_newest_and_a_failure_loses_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    entered, released, sent = threading.Event(), threading.Event(), []

    def send(alert: Alert) -> None:
        entered.set()
        assert released.wait(PATIENCE_S)
        if alert.number == 2:
            raise RuntimeError("planted")
        sent.append(alert.number)

    outbox = Outbox("test", send, most=3)
    for number in (1, 2, 3, 4, 5):
        outbox(Alert(number, datetime.now(UTC), "warning", "fault", f"alert {number}"))
        assert entered.wait(PATIENCE_S)
    released.set()
    outbox.stop()
    assert sent == [1, 3, 4]
    assert "not sent: alert 5" in caplog.text
    assert "alert 2 was not sent" in caplog.text
