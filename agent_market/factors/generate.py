"""Random well-typed trees, from a seed: for benchmarks, fuzzing and the start of a search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from agent_market.errors import ExpressionError
from agent_market.factors.limits import LIMITS, Limits
from agent_market.factors.operators import AT, OPERATORS, TIMEFRAMES, Operator, Parameter, Value
from agent_market.factors.parse import check, factor_of
from agent_market.factors.tree import Tree, call, field, number
from agent_market.factors.types import FIELDS, ValueType

WINDOWS = (3, 5, 8, 12, 24, 48, 72, 120, 168, 240)
NUMBERS = (-1.0, -0.5, 0.0, 0.5, 1.0, 2.0)
MEAN_SIZE = 6

_TRIES = 20
_NUMBER_SHARE = 0.1
_WITHOUT_AT = tuple(operator for operator in OPERATORS.values() if operator is not AT)


def random_factor(
    random: np.random.Generator,
    size: int | None = None,
    operators: Sequence[Operator] = _WITHOUT_AT,
    fields: Mapping[str, ValueType] = FIELDS,
    limits: Limits = LIMITS,
) -> Tree:
    """A canonical factor that passes every check.

    :param size: aimed number of nodes; unset draws it, 2 or more with a mean of 6. Typing and the
        canonical form may make it a little smaller or larger.
    :param operators: those it may use.
    """
    while True:
        aimed = size if size is not None else 2 + int(random.poisson(MEAN_SIZE - 2))
        try:
            return factor_of(random_tree(random, aimed, operators, fields, limits), limits)
        except ExpressionError:
            continue


def random_tree(
    random: np.random.Generator,
    size: int,
    operators: Sequence[Operator] = _WITHOUT_AT,
    fields: Mapping[str, ValueType] = FIELDS,
    limits: Limits = LIMITS,
) -> Tree:
    """A well-typed tree of any kind, of about `size` nodes."""
    if size <= 1:
        return _leaf(random, fields)
    for _ in range(_TRIES):
        operator = operators[int(random.integers(len(operators)))]
        shares = _shares(random, size - 1, operator.series)
        children = tuple(random_tree(random, share, operators, fields, limits) for share in shares)
        constants = tuple(_constant(random, parameter) for parameter in operator.constants)
        try:
            tree = call(operator.name, children, constants)
            check(tree, limits)
        except ExpressionError:
            continue
        return tree
    return _leaf(random, fields)


def _leaf(random: np.random.Generator, fields: Mapping[str, ValueType]) -> Tree:
    if random.random() < _NUMBER_SHARE:
        return number(NUMBERS[int(random.integers(len(NUMBERS)))])
    names = tuple(fields)
    return field(names[int(random.integers(len(names)))], fields)


def _shares(random: np.random.Generator, total: int, parts: int) -> list[int]:
    """Split `total` nodes among the inputs, each at least 1."""
    shares = [1] * parts
    for _ in range(total - parts):
        shares[int(random.integers(parts))] += 1
    return shares


def _constant(random: np.random.Generator, parameter: Parameter) -> Value:
    if parameter.role == "timeframe":
        names = tuple(name for name, minutes in TIMEFRAMES.items() if minutes > 60)
        return names[int(random.integers(len(names)))]
    if parameter.role in ("window", "lag"):
        return max(WINDOWS[int(random.integers(len(WINDOWS)))], int(parameter.low))
    low, high = max(parameter.low, -2.0), min(parameter.high, 2.0)
    return round(float(random.uniform(low, high)), 2)
