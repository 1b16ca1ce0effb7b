"""Interval of a proportion."""

from __future__ import annotations

import math

Z_95 = 1.959963984540054


def wilson(wins: int, n: int) -> tuple[float, float]:
    """95% interval of a share of `wins` in `n` >= 1 trials."""
    share, z = wins / n, Z_95
    middle = share + z * z / (2 * n)
    spread = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)
