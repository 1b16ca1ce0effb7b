"""New trees from old ones: crossover, mutation, constant tuning (genetic programming, Koza 1992).

Trees are immutable and typed, so a change that makes nonsense is refused where the tree is built and another
is tried.  Nothing is ever compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from agent_market.errors import ExpressionError
from agent_market.factors.generate import random_factor, random_tree
from agent_market.factors.limits import Limits
from agent_market.factors.operators import OPERATORS, TIMEFRAMES, Parameter, Value
from agent_market.factors.parse import factor_of
from agent_market.factors.tree import FIELD, NUMBER, Tree, call, number
from agent_market.factors.types import ValueType

Path = tuple[int, ...]

SCALES = (0.5, 0.75, 1.33, 2.0)
_TRIES = 30
_NEW_SIZE = 4


def vary(
    random: np.random.Generator, parents: Sequence[Tree], fields: Mapping[str, ValueType], limits: Limits
) -> Tree:
    """A factor made of one or two of `parents`, by one of the three ways; a random one without parents.

    :param parents: better ones first: the first of two draws is taken (a tournament of two).
    """
    for _ in range(_TRIES if parents else 0):
        one, other = _pick(random, parents), _pick(random, parents)
        way = _WAYS[int(random.integers(len(_WAYS)))]
        try:
            child = factor_of(way(random, one, other, fields, limits), limits)
        except ExpressionError:
            continue
        if child not in parents:
            return child
    return random_factor(random, fields=fields, limits=limits)


def crossover(
    random: np.random.Generator, one: Tree, other: Tree, fields: Mapping[str, ValueType], limits: Limits
) -> Tree:
    """`one` with a part of it replaced by a part of `other` of the same kind.

    :raises ExpressionError: the two have no kind in common, or the result is nonsense.
    """
    places = [(path, node.kind) for path, node in paths(one) if node.operator != NUMBER]
    path, kind = places[int(random.integers(len(places)))]
    fitting = [node for _, node in paths(other) if node.kind == kind and node.operator != NUMBER]
    if not fitting:
        raise ExpressionError(f"no part of `{other}` is a {kind}", "cross it with another")
    return replaced(one, path, fitting[int(random.integers(len(fitting)))])


def mutation(
    random: np.random.Generator, one: Tree, other: Tree, fields: Mapping[str, ValueType], limits: Limits
) -> Tree:
    """`one` with an operator exchanged for another of the same inputs, or a part for a new random one.

    :raises ExpressionError: the result is nonsense.
    """
    places = list(paths(one))
    path, node = places[int(random.integers(len(places)))]
    if node.operator not in (FIELD, NUMBER) and random.random() < 0.5:
        alike = [o for o in OPERATORS.values() if o.parameters == OPERATORS[node.operator].parameters]
        chosen = alike[int(random.integers(len(alike)))]
        return replaced(one, path, call(chosen.name, node.children, node.constants))
    size = 1 + int(random.integers(_NEW_SIZE))
    return replaced(one, path, random_tree(random, size, fields=fields, limits=limits))


def tuning(
    random: np.random.Generator, one: Tree, other: Tree, fields: Mapping[str, ValueType], limits: Limits
) -> Tree:
    """`one` with one of its windows, lags, numbers or timeframes changed.

    :raises ExpressionError: it has none, or the new one is out of range.
    """
    places = [(path, node) for path, node in paths(one) if node.constants and node.operator != FIELD]
    if not places:
        raise ExpressionError(f"`{one}` has no constant", "change something else")
    path, node = places[int(random.integers(len(places)))]
    scale = SCALES[int(random.integers(len(SCALES)))]
    if node.operator == NUMBER:
        return replaced(one, path, number(float(node.constants[0]) * scale))
    which = int(random.integers(len(node.constants)))
    changed = _changed(random, node.constants[which], OPERATORS[node.operator].constants[which], scale)
    constants = (*node.constants[:which], changed, *node.constants[which + 1 :])
    return replaced(one, path, call(node.operator, node.children, constants))


def paths(tree: Tree) -> list[tuple[Path, Tree]]:
    """Every node with the child numbers that lead to it, parents first."""
    found: list[tuple[Path, Tree]] = []
    waiting: list[tuple[Path, Tree]] = [((), tree)]
    while waiting:
        path, node = waiting.pop()
        found.append((path, node))
        waiting += [((*path, i), child) for i, child in reversed(list(enumerate(node.children)))]
    return found


def replaced(tree: Tree, path: Path, part: Tree) -> Tree:
    """The tree with `part` at `path`.

    :raises ExpressionError: if `part` does not fit there.
    """
    if not path:
        return part
    children = list(tree.children)
    children[path[0]] = replaced(children[path[0]], path[1:], part)
    return call(tree.operator, tuple(children), tree.constants)


def _pick(random: np.random.Generator, parents: Sequence[Tree]) -> Tree:
    return parents[int(min(random.integers(len(parents)), random.integers(len(parents))))]


def _changed(random: np.random.Generator, value: Value, parameter: Parameter, scale: float) -> Value:
    if parameter.role == "timeframe":
        names = tuple(TIMEFRAMES)
        return names[int(random.integers(len(names)))]
    if parameter.role in ("window", "lag"):
        return max(round(int(value) * scale), int(parameter.low))
    return min(max(float(value) * scale, parameter.low), parameter.high)


_WAYS: tuple[Callable[..., Tree], ...] = (crossover, mutation, tuning)
