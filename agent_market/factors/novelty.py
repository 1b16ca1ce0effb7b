"""How new an expression is beside others, by its form alone.

The measure is the largest part two trees have in common, as in AlphaAgent (Tang et al. 2025): 0 for equal
trees, 1 for trees without one operator in common place.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from agent_market.factors.operators import OPERATORS
from agent_market.factors.tree import FIELD, NUMBER, Tree

_SAME_OPERATOR = 0.5
"""What two nodes count that differ in window or constant only."""


def distance(one: Tree, other: Tree) -> float:
    """1 - largest common part / size of the larger tree, in [0, 1]; symmetric, 0 only for equal structure.

    A common part is connected, hangs on one node of each tree, and matches operators, fields and constants;
    the order of inputs is free where the operator's is.
    """
    best = max(_common(a, b) for a in set(one.walk()) for b in set(other.walk()))
    return 1.0 - best / max(one.size, other.size)


def novelty(tree: Tree, pool: Iterable[Tree]) -> tuple[float, Tree | None]:
    """Distance to the nearest tree of the pool, and that tree; (1.0, None) for an empty pool."""
    nearest = min(pool, key=lambda other: distance(tree, other), default=None)
    return (1.0, None) if nearest is None else (distance(tree, nearest), nearest)


@lru_cache(maxsize=1 << 16)
def _common(one: Tree, other: Tree) -> float:
    """Size of the common part that has its top at both nodes."""
    if one.operator != other.operator:
        return 0.0
    same = 1.0 if one.constants == other.constants else _SAME_OPERATOR
    if one.operator == FIELD:
        return 1.0 if same == 1.0 else 0.0
    if one.operator == NUMBER:
        return same
    straight = sum(map(_common, one.children, other.children))
    if OPERATORS[one.operator].swaps:
        straight = max(straight, sum(map(_common, one.children, other.children[::-1])))
    return same + straight
