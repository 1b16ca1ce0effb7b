"""What a value measures: its unit and its range, so that nonsense is refused before it is computed.

A unit is a power of price and a power of volume.  `close` is a price, `volume` a volume, their product
money (quote currency), and anything whose powers cancel is free of units.  Of the unit-free values some
are *bounded* (within [-1, 1]) and some are *boolean* (0 or 1): boolean is a case of bounded, and bounded a
case of ratio, so each may stand where the wider kind is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Range = Literal["free", "bounded", "boolean", "zero"]

MAX_POWER = 2


@dataclass(frozen=True, slots=True)
class ValueType:
    """Unit (powers of price and volume) and range of a value. `zero` is the literal 0: it fits any unit."""

    price: int = 0
    volume: int = 0
    range: Range = "free"

    @property
    def unit_free(self) -> bool:
        return self.price == 0 and self.volume == 0

    @property
    def bounded(self) -> bool:
        """Whether every value lies within [-1, 1]."""
        return self.range != "free"

    @property
    def boolean(self) -> bool:
        return self.range == "boolean"

    def same_unit(self, other: ValueType) -> bool:
        """Whether the two may be added or compared."""
        if "zero" in (self.range, other.range):
            return True
        return (self.price, self.volume) == (other.price, other.volume)

    def without_range(self) -> ValueType:
        """The same unit, of any size."""
        return replace(self, range="free")

    def __str__(self) -> str:
        if self.range != "free":
            return self.range
        return _NAMES.get((self.price, self.volume)) or _powers(self.price, self.volume)


PRICE = ValueType(price=1)
VOLUME = ValueType(volume=1)
MONEY = ValueType(price=1, volume=1)
RATIO = ValueType()
BOUNDED = ValueType(range="bounded")
BOOLEAN = ValueType(range="boolean")
ZERO = ValueType(range="zero")

_NAMES = {(1, 0): "price", (0, 1): "volume", (1, 1): "money", (0, 0): "ratio"}

FIELDS: dict[str, ValueType] = {"open": PRICE, "high": PRICE, "low": PRICE, "close": PRICE, "volume": VOLUME}
"""The columns of a candle that an expression may name."""


def _powers(price: int, volume: int) -> str:
    parts = [f"{name}^{power}" for name, power in (("price", price), ("volume", volume)) if power]
    return " ".join(parts)
