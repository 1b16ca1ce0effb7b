"""Which alerts reach freqtrade's webhook and API, and as what."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from freqtrade.enums import RPCMessageType

from agent_market.bot.alerting.alerts import Alert
from agent_market.bot.alerting.forwarding import forwarder
from agent_market.config import AlertLevel

ALERTS = [
    Alert(n, datetime.now(UTC), level, topic, level)  # type: ignore[arg-type]
    for n, (level, topic) in enumerate(
        [("info", "clamp"), ("warning", "position"), ("critical", "breaker"), ("critical", "message")]
    )
]


@pytest.mark.parametrize(
    ("least", "told"),
    [
        ("info", ["info", "warning", "critical"]),
        ("warning", ["warning", "critical"]),
        ("critical", ["critical"]),
        ("off", []),
    ],
)
def test_alerts_from_a_level_on_go_to_every_module_but_those_left_out(
    least: AlertLevel, told: list[str]
) -> None:
    heard: dict[str, list[Any]] = {"webhook": [], "telegram": []}
    modules = [SimpleNamespace(name=name, send_msg=into.append) for name, into in heard.items()]
    forward = forwarder(SimpleNamespace(registered_modules=modules), least, ("telegram",))
    for alert in ALERTS:
        forward(alert)
    kinds = {
        "info": RPCMessageType.STATUS,
        "warning": RPCMessageType.WARNING,
        "critical": RPCMessageType.EXCEPTION,
    }
    assert heard["webhook"] == [{"type": kinds[level], "status": f"{level}: {level}"} for level in told]
    assert heard["telegram"] == []


def test_a_module_that_fails_does_not_silence_the_next() -> None:
    def fail(message: Any) -> None:
        raise RuntimeError("planted")

    heard: list[Any] = []
    modules = [
        SimpleNamespace(name="webhook", send_msg=fail),
        SimpleNamespace(name="apiserver", send_msg=heard.append),
    ]
    forwarder(SimpleNamespace(registered_modules=modules), "warning", ())(ALERTS[1])
    assert [message["status"] for message in heard] == ["warning: warning"]
