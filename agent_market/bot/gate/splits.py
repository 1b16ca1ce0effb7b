"""What is still to be ordered of entries that liquidity cut short."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any


@dataclass(frozen=True, slots=True)
class Rest:
    """Stake still to come for one pair's trade, until when, and the trade's entry tag."""

    stake: float
    until: datetime
    tag: str


class SplitBook:
    """The rest of each pair's split order. Used under freqtrade's own entry lock only."""

    def __init__(self, minutes: float) -> None:
        self._minutes = minutes
        self._rests: dict[str, Rest] = {}

    def note(self, pair: str, tag: str, left: float, now: datetime) -> None:
        """What an order left over, in place of what was noted; the window starts with the first part."""
        known = self._rests.get(pair)
        until = known.until if known and known.tag == tag else now + timedelta(minutes=self._minutes)
        if left <= 0.0:
            self._rests.pop(pair, None)
        else:
            self._rests[pair] = Rest(left, until, tag)

    def due(self, pair: str, tag: str, now: datetime) -> float:
        """Stake to order now for a trade with this tag; 0 with none left or after the window."""
        rest = self._rests.get(pair)
        if rest is None:
            return 0.0
        if rest.tag != tag or now >= rest.until:
            del self._rests[pair]
            return 0.0
        return rest.stake

    def __len__(self) -> int:
        return len(self._rests)


def let_parts_follow(strategy: Any) -> None:
    """Make freqtrade ask for further orders. Where the trader had not, parts are all that it gets to hear."""
    if not strategy.position_adjustment_enable:
        strategy.parts_only = strategy.position_adjustment_enable = True
