"""How large an expression may be.  What comes from a model is untrusted text: every size has a bound."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Upper bounds on one expression; beyond any of them it is refused before anything is computed."""

    text: int = 2_000
    """Characters."""
    nesting: int = 32
    """Brackets open at once."""
    depth: int = 12
    """Levels of the tree; a field alone has one."""
    size: int = 64
    """Nodes of the tree: operators, fields and numbers."""
    window: int = 2_000
    """Candles in one window or lag."""
    rows: int = 10_000
    """Candles that a value depends on, windows inside windows added up."""
    cost: float = 3_000.0
    """Estimated nanoseconds per value (see `Operator.cost`)."""
    constant: float = 1e9
    """Largest absolute value of a number; the smallest that is not zero is its inverse."""


LIMITS = Limits()
