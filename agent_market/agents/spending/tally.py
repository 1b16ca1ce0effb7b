"""What was spent and what is reserved, as plain sums."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Amount:
    """Calls, tokens (prompt and answered) and money (billionths of the currency)."""

    calls: int = 0
    tokens: int = 0
    nano: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.calls + other.calls, self.tokens + other.tokens, self.nano + other.nano)

    def __sub__(self, other: Amount) -> Amount:
        return Amount(self.calls - other.calls, self.tokens - other.tokens, self.nano - other.nano)


@dataclass(slots=True)
class Tally:
    """What is spent for good, and what calls under way may still cost. Guarded by the budget's lock."""

    spent: Amount = Amount()
    reserved: Amount = Amount()

    @property
    def committed(self) -> Amount:
        """What can no longer be given out again, at worst."""
        return self.spent + self.reserved
