"""Which alerts leave the bot by themselves, and as what."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Collection
from typing import Any

from freqtrade.enums import RPCMessageType

from agent_market.bot.alerting.alerts import Alert, Level
from agent_market.bot.freqtrade_internals import freqtrade as internals
from agent_market.bot.workers import PREFIX
from agent_market.config import AlertLevel

logger = logging.getLogger(__name__)

_ORDER: tuple[AlertLevel, ...] = ("info", "warning", "critical", "off")

KINDS = {
    "info": RPCMessageType.STATUS,
    "warning": RPCMessageType.WARNING,
    "critical": RPCMessageType.EXCEPTION,
}
"""Freqtrade's message type by level."""


def passes(level: Level, least: AlertLevel) -> bool:
    """Whether an alert of `level` is told where `least` is the setting."""
    return _ORDER.index(level) >= _ORDER.index(least)


def forwarder(manager: Any, least: AlertLevel, leave_out: Collection[str]) -> Callable[[Alert], None]:
    """A subscriber that passes alerts on to freqtrade's webhook and API.

    :param leave_out: modules that are told in another way.
    """

    def forward(alert: Alert) -> None:
        if alert.topic != "message" and passes(alert.level, least):
            internals.notify(manager, KINDS[alert.level], f"{alert.level}: {alert.text}", leave_out)

    return forward


class Outbox:
    """A subscriber that sends on a thread of its own, so that a slow receiver holds up no other one.

    Beyond `most` waiting alerts the newest are logged and not sent.
    """

    def __init__(self, name: str, send: Callable[[Alert], None], most: int = 100) -> None:
        self._send = send
        self._most = most
        self._waiting: queue.SimpleQueue[Alert | None] = queue.SimpleQueue()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"{PREFIX}{name}", daemon=True)
        self._thread.start()

    def __call__(self, alert: Alert) -> None:
        if self._waiting.qsize() < self._most:
            self._waiting.put(alert)
        else:
            logger.warning("%s is too slow; not sent: %s", self._thread.name, alert.text)

    def stop(self, timeout_s: float = 5.0) -> None:
        """Send what waits, as far as the time goes, then end the thread."""
        self._waiting.put(None)
        if self._thread is not threading.current_thread():
            self._thread.join(timeout_s)
        self._ended.set()

    def _run(self) -> None:
        while not self._ended.is_set() and (alert := self._waiting.get()) is not None:
            try:
                self._send(alert)
            except Exception:  # the next alert may get through
                logger.exception("alert %d was not sent", alert.number)
