"""What was spent and what is reserved, as plain sums."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SpendAmount:
    """Calls, tokens (prompt and answered) and money (billionths of the currency)."""

    calls: int = 0
    tokens: int = 0
    nano: int = 0

    def __add__(self, other: SpendAmount) -> SpendAmount:
        return SpendAmount(self.calls + other.calls, self.tokens + other.tokens, self.nano + other.nano)

    def __sub__(self, other: SpendAmount) -> SpendAmount:
        return SpendAmount(self.calls - other.calls, self.tokens - other.tokens, self.nano - other.nano)


@dataclass(slots=True)
class CommittedSpend:
    """What is spent for good, and what calls under way may still cost. Guarded by the budget's lock."""

    spent: SpendAmount = SpendAmount()
    reserved: SpendAmount = SpendAmount()

    @property
    def committed(self) -> SpendAmount:
        """What can no longer be given out again, at worst."""
        return self.spent + self.reserved
