"""An expression in words: what it means, what it needs and what it costs."""

from __future__ import annotations

from collections.abc import Iterator

from agent_market.factors.operators import OPERATORS
from agent_market.factors.tree import FIELD, NUMBER, Tree
from agent_market.factors.warmup import lookback


def outline(tree: Tree, depth: int = 0) -> Iterator[str]:
    """The tree, one node a line, with the kind of each."""
    yield f"{'  ' * depth}{_label(tree)}: {tree.kind}"
    for child in tree.children:
        yield from outline(child, depth + 1)


def facts(tree: Tree, minutes: int) -> dict[str, str]:
    """Form, size and needs, by name.

    :param minutes: timeframe of the candles.
    :raises DataError: if a timeframe in the tree is not a multiple of it.
    """
    warm_up = lookback(tree, minutes) - 1
    return {
        "canonical": str(tree),
        "hash": tree.digest,
        "kind": str(tree.kind),
        "size": f"{tree.size} nodes, {tree.depth} levels",
        "warm-up": f"{warm_up} candles of {minutes} minutes ({warm_up * minutes / 1440:.1f} days)",
        "cost": f"about {tree.cost:.0f} ns per value ({tree.cost * 8760e-6:.2f} ms a year of hourly candles)",
    }


def meanings(tree: Tree) -> dict[str, str]:
    """What each operator of the tree means and where it is NaN, by signature, in order of appearance."""
    used = [OPERATORS[node.operator] for node in tree.walk() if node.operator not in (FIELD, NUMBER)]
    return {operator.signature: f"{operator.meaning}. NaN where {operator.nan}." for operator in used}


def _label(tree: Tree) -> str:
    if tree.operator in (FIELD, NUMBER):
        return str(tree)
    constants = ", ".join(str(value) for value in tree.constants)
    return f"{tree.operator}({constants})" if constants else tree.operator
