"""Records that the order gate sizes and decides by; no logic.

Money is in stake currency. A notional is stake x leverage. `sign` is +1 for long and -1 for short.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent_market.records import Clamp
from agent_market.utils.arrays import Floats

if TYPE_CHECKING:
    from freqtrade.persistence import LocalTrade


@dataclass(frozen=True, slots=True)
class EntryRequest:
    """An entry as freqtrade asks for it, before any limit applies; the gate returns a stake and a leverage.

    `side` is "long" or "short". `rate` is the price of the order, `stake` its margin in stake currency,
    `leverage` >= 1; they are not checked yet and may be NaN. `tag` is the entry tag ("" = none). `mode` is
    freqtrade's: "initial", "pos_adjust" or "replace". `forced` says that a human forced the entry.
    `min_stake` is the exchange's minimum (0 = none). `trade` is the open trade that the order adds to, or
    replaces an order of; None for a new trade.
    """

    pair: str
    side: str
    rate: float
    stake: float
    leverage: float
    tag: str = ""
    mode: str = "initial"
    forced: bool = False
    min_stake: float = 0.0
    trade: LocalTrade | None = None

    @property
    def sign(self) -> int:
        """+1 for long, -1 for short."""
        return -1 if self.side == "short" else 1


@dataclass(frozen=True, slots=True)
class Holding:
    """One open trade with its open entry orders; `loss_at_stop` >= 0 is its loss there, from its entry."""

    pair: str
    sign: int
    notional: float
    loss_at_stop: float


@dataclass(frozen=True, slots=True)
class Book:
    """The account: equity, free funds, and what is open."""

    equity: float
    free: float
    holdings: tuple[Holding, ...] = ()

    def of(self, pair: str) -> tuple[Holding, ...]:
        """What is open in one pair."""
        return tuple(h for h in self.holdings if h.pair == pair)


@dataclass(frozen=True, slots=True)
class EntryOrder:
    """An order that would open or add to a position.

    `stop_distance` is the distance from `rate` to its stop as a fraction of price, in (0, 1]; `min_stake` the
    least that the exchange takes.
    """

    pair: str
    sign: int
    rate: float
    stake: float
    leverage: float
    stop_distance: float
    strategy: str = ""
    min_stake: float = 0.0

    @property
    def notional(self) -> float:
        return self.stake * self.leverage


@dataclass(frozen=True, slots=True)
class Liquidity:
    """What the market offers: spread / mid, value within the band on the side taken, value of a usual candle,
    and the best price on the side taken.

    None = not known; then that limit cannot bind.
    """

    spread: float | None = None
    depth: float | None = None
    candle_value: float | None = None
    best: float | None = None


@dataclass(frozen=True, slots=True)
class Conditions:
    """The market as the gate sees it at one entry.

    `correlations` are those of each open pair's returns with the new one's, absent = unknown, which counts as
    1; `tightening` in (0, 1] multiplies the limits; `execution` in (0, 1] multiplies the order's size;
    `book_returns` and `pair_returns` (T,) are candle returns, newest last: of the open book as a fraction of
    equity, and of the pair, finite; None = too little history, then VaR cannot bind.
    `candles_per_day` scales VaR to a day.
    """

    correlations: Mapping[str, float] = field(default_factory=dict)
    tightening: float = 1.0
    execution: float = 1.0
    liquidity: Liquidity = Liquidity()
    book_returns: Floats | None = None
    pair_returns: Floats | None = None
    candles_per_day: float = 24.0


@dataclass(frozen=True, slots=True)
class Sized:
    """What may be ordered: stake and leverage, every clamp, and what liquidity alone cut off.

    `poor` says that the market is too thin or wide to order at all now; the entry may be tried again.
    """

    stake: float
    leverage: float
    clamps: tuple[Clamp, ...] = ()
    left_over: float = 0.0
    poor: bool = False
