"""After a trade: what a fill cost against the plan, and what poor fills change."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass
from datetime import datetime

from agent_market.config import ExecutionLimits

HALVED = 0.5


@dataclass(frozen=True, slots=True)
class Fill:
    """One filled order: planned and reached price, and how long it took. `sign` is +1 for a buy."""

    pair: str
    sign: int
    planned: float
    reached: float
    ordered_at: datetime
    filled_at: datetime

    @property
    def slippage(self) -> float:
        """Fraction of the planned price by which the fill was worse (> 0) or better (< 0)."""
        return self.sign * (self.reached / self.planned - 1.0)

    @property
    def seconds(self) -> float:
        return max((self.filled_at - self.ordered_at).total_seconds(), 0.0)


class FillBook:
    """The newest fills of each pair, and the share of an order's size that they leave."""

    def __init__(self, limits: ExecutionLimits) -> None:
        self._limits = limits
        self._fills: dict[str, deque[Fill]] = defaultdict(lambda: deque(maxlen=limits.fills))

    def add(self, fill: Fill) -> tuple[str, ...]:
        """Note a fill; what was beyond a limit, in words."""
        self._fills[fill.pair].append(fill)
        poor = []
        if fill.slippage > self._limits.max_slippage:
            poor.append(f"slippage {fill.slippage:.3%} over {self._limits.max_slippage:.3%}")
        if fill.seconds > self._limits.max_fill_seconds:
            poor.append(f"filled after {fill.seconds:.0f} s, over {self._limits.max_fill_seconds:.0f} s")
        return tuple(poor)

    def mean_slippage(self, pair: str) -> float | None:
        """Mean slippage of the newest fills of a pair; None without one."""
        fills = self._fills.get(pair)
        return sum(fill.slippage for fill in fills) / len(fills) if fills else None

    def size_share(self, pair: str) -> float:
        """1, or a half where the mean slippage is beyond its limit."""
        mean = self.mean_slippage(pair)
        return HALVED if mean is not None and mean > self._limits.max_slippage else 1.0
