"""Which alerts leave the bot by themselves, and as what."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from freqtrade.enums import RPCMessageType

from agent_market.bot import freqtrade_seams as seams
from agent_market.bot.alerts import Alert, Level
from agent_market.config import AlertLevel

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
            seams.notify(manager, KINDS[alert.level], f"{alert.level}: {alert.text}", leave_out)

    return forward
