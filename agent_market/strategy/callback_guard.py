"""Callbacks that a strategy of one's own overrides, cut to the limits; an exception orders the least."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

import numpy as np

from agent_market.risk.orders import EntryRequest
from agent_market.strategy import backtest_gate as gate

logger = logging.getLogger(__name__)

ADDED = "adjust_trade_position"


def guard_callbacks(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    """A subclass's callback, its answer cut to the limits; an exception is the answer that orders least."""

    @functools.wraps(method)
    def callback(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            asked = _only_parts if name == ADDED and self.parts_only else method
            answer = asked(self, *args, **kwargs)
            return CUT[name](self, answer, kwargs)
        except Exception as error:
            logger.exception("%s failed; nothing is ordered on it", name)
            if self._attachment is not None:
                self._attachment.fault(f"{name} failed; nothing is ordered on it", error)
            return _CLOSED[name]

    return callback


def _cut_leverage(self: Any, answer: Any, given: dict[str, Any]) -> float:
    leverage = float(answer)
    if not np.isfinite(leverage):
        raise ValueError(f"leverage {leverage}")
    return gate.capped_leverage(self, leverage, given.get("max_leverage", leverage))


def _cut_stake(self: Any, answer: Any, given: dict[str, Any]) -> Any:
    request = EntryRequest(
        pair=given["pair"],
        side=given.get("side") or "long",
        rate=given["current_rate"],
        stake=float(answer),
        leverage=given["leverage"],
        tag=given.get("entry_tag") or "",
        min_stake=float(given["min_stake"] or 0.0),
    )
    return gate.sized_stake(self, request, given["current_time"])


def _cut_confirm(self: Any, answer: Any, given: dict[str, Any]) -> bool:
    return bool(answer) and not self.desk.breaker.frozen


def _cut_added(self: Any, answer: Any, given: dict[str, Any]) -> Any:
    keys = ("trade", "current_time", "current_rate", "min_stake")
    return gate.added_stake(self, answer, *(given[k] for k in keys))


def _only_parts(self: Any, **given: Any) -> float | None:
    """In place of a trader's own callback that is switched off."""
    return gate.due_stake(self, given["trade"], given["current_time"])


CUT: dict[str, Callable[..., Any]] = {
    "leverage": _cut_leverage,
    "custom_stake_amount": _cut_stake,
    "confirm_trade_entry": _cut_confirm,
    ADDED: _cut_added,
}
_CLOSED = {
    "leverage": 1.0,
    "custom_stake_amount": 0.0,
    "confirm_trade_entry": False,
    ADDED: None,
}
