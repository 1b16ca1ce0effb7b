"""The immutable, typed tree of an expression.

`field`, `number` and `call` are the only ways to make one, and each checks what it makes: a `Tree` that
exists is well typed.  Trees compare and hash by `digest`, so equal subtrees are found without a walk.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from agent_market.errors import ExpressionError
from agent_market.factors.operators import AT, OPERATORS, TIMEFRAMES, Operator, Parameter, Value
from agent_market.factors.type_rules import Misfit
from agent_market.factors.types import FIELDS, RATIO, ZERO, ValueType

_LARGEST = sys.float_info.max

FIELD = "field"
NUMBER = "number"


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """One node with all below it.

    `operator` is a name of `OPERATORS`, or `field` or `number`; `constants` its windows, numbers or name.
    `rows` is how many rows a value depends on, the current one included (bars of `at` count one each);
    `cost` an estimate of the nanoseconds per value; `digest` the hash of the structure.
    """

    operator: str
    children: tuple[Tree, ...]
    constants: tuple[Value, ...]
    kind: ValueType
    size: int
    depth: int
    rows: int
    cost: float
    digest: str

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tree) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __str__(self) -> str:
        return render(self)

    def walk(self) -> Iterator[Tree]:
        """This node and every one below, parents first."""
        stack = [self]
        while stack:
            node = stack.pop()
            yield node
            stack.extend(reversed(node.children))


def field(name: str, fields: Mapping[str, ValueType] = FIELDS) -> Tree:
    """A column of the panel.

    :raises ExpressionError: if there is no such column.
    """
    if name not in fields:
        raise ExpressionError(f"`{name}` is no field", f"use one of {', '.join(fields)}")
    return Tree(FIELD, (), (name,), fields[name], 1, 1, 1, 0.0, _digest(FIELD, (name,), ()))


def number(value: float) -> Tree:
    """A constant. Twelve significant digits are kept, so that 0.1 + 0.2 is 0.3.

    :raises ExpressionError: if it is not finite.
    """
    if not abs(value) <= _LARGEST:
        raise ExpressionError(f"{_shown(value)} is no finite number", "use a number of ordinary size")
    kept = float(f"{value:.12g}") + 0.0  # + 0.0 makes -0.0 the same as 0.0
    return Tree(NUMBER, (), (kept,), RATIO if kept else ZERO, 1, 1, 1, 0.0, _digest(NUMBER, (kept,), ()))


def call(name: str, children: tuple[Tree, ...], constants: tuple[Value, ...] = ()) -> Tree:
    """An operator on its inputs: the series in order, then its constants in order.

    :raises ExpressionError: unknown operator, wrong number of inputs, a constant out of range, or kinds that
        do not fit; `argument` is then the number of the input, counted over the operator's signature.
    """
    operator = OPERATORS.get(name)
    if operator is None:
        raise ExpressionError(f"`{name}` is no operator", "see docs/concepts/factors.md for those that exist")
    if len(children) != operator.series or len(constants) != len(operator.constants):
        raise ExpressionError(f"`{name}` was given the wrong number of inputs", f"write {operator.signature}")
    checked = tuple(
        _checked(operator, parameter, value)
        for parameter, value in zip(operator.constants, constants, strict=True)
    )
    if operator is AT and any(node.operator == AT.name for child in children for node in child.walk()):
        raise ExpressionError("`at` stands inside another `at`", "use one timeframe at a time")
    if operator.group not in ("arithmetic", "condition"):
        _refuse_numbers(operator, children)
    if name == "clip" and not float(checked[0]) < float(checked[1]):
        raise ExpressionError(
            f"clip has low {checked[0]} and high {checked[1]}", "give low < high", argument=2
        )
    try:
        kind = operator.rule(tuple(child.kind for child in children))
    except Misfit as misfit:
        raise ExpressionError(
            f"`{_short(children[misfit.argument])}` in `{name}` {misfit.problem}",
            misfit.fix,
            argument=_position(operator, misfit.argument),
        ) from misfit
    return Tree(
        name,
        children,
        checked,
        kind,
        1 + sum(child.size for child in children),
        1 + max(child.depth for child in children),
        operator.rows(checked) + max(child.rows for child in children),
        operator.cost(checked) + sum(child.cost for child in children),
        _digest(name, checked, children),
    )


def render(tree: Tree) -> str:
    """The expression in call form; parsing it gives the same tree."""
    if tree.operator == FIELD:
        return str(tree.constants[0])
    if tree.operator == NUMBER:
        return _number_text(tree.constants[0])
    children, constants = iter(tree.children), iter(tree.constants)
    parts = [
        render(next(children)) if parameter.role == "series" else _constant_text(next(constants))
        for parameter in OPERATORS[tree.operator].parameters
    ]
    return f"{tree.operator}({', '.join(parts)})"


def _checked(operator: Operator, parameter: Parameter, value: Value) -> Value:
    """The constant in its own type, or why it is refused."""
    argument = operator.parameters.index(parameter)
    where = f"`{parameter.name}` of `{operator.name}`"
    if parameter.role == "timeframe":
        if value not in TIMEFRAMES:
            raise ExpressionError(
                f"{where} is {value!r}", f"use one of {', '.join(map(repr, TIMEFRAMES))}", argument=argument
            )
        return value
    if isinstance(value, str | bool):
        raise ExpressionError(f"{where} is {value!r:.40}", "use a number", argument=argument)
    if not abs(value) <= _LARGEST:  # a whole number may have any number of digits
        raise ExpressionError(
            f"{where} is {_shown(value)}", "use a number of ordinary size", argument=argument
        )
    if parameter.role == "number":
        if not parameter.low <= value <= parameter.high:
            raise ExpressionError(
                f"{where} is {value}",
                f"use a number from {parameter.low:g} to {parameter.high:g}",
                argument=argument,
            )
        return float(f"{value:.12g}") + 0.0
    if not isinstance(value, int):
        raise ExpressionError(f"{where} is {value}", "use a whole number of candles", argument=argument)
    if value == 0 and parameter.role == "lag":
        raise ExpressionError(
            f"{where} is 0, which is the candle itself",
            f"use {parameter.low:g} or more: it counts candles into the past",
            argument=argument,
        )
    if value < 0:
        raise ExpressionError(
            f"{where} is {value}, which would look at candles that have not closed",
            f"use {parameter.low:g} or more: it counts candles into the past",
            argument=argument,
        )
    if value < parameter.low:
        raise ExpressionError(f"{where} is {value}", f"use {parameter.low:g} or more", argument=argument)
    return value


def _refuse_numbers(operator: Operator, children: tuple[Tree, ...]) -> None:
    """A number is the same at every time and for every pair: nothing to take a mean or a rank of."""
    for child, tree in enumerate(children):
        if tree.operator == NUMBER:
            raise ExpressionError(
                f"`{operator.name}` is given the number {tree}",
                "give it a series, e.g. ts_return(close, 1)",
                argument=_position(operator, child),
            )


def _position(operator: Operator, child: int) -> int:
    """Where the child stands in the signature."""
    return [i for i, parameter in enumerate(operator.parameters) if parameter.role == "series"][child]


def _digest(operator: str, constants: tuple[Value, ...], children: tuple[Tree, ...]) -> str:
    parts = (operator, *map(repr, constants), *(child.digest for child in children))
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()


def _shown(value: float) -> str:
    """Python refuses to print whole numbers of thousands of digits, and nobody reads hundreds."""
    if isinstance(value, int) and abs(value) > _LARGEST:
        return "a whole number of more than 300 digits"
    return str(value)


def _short(tree: Tree) -> str:
    text = render(tree)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _constant_text(value: Value) -> str:
    return f"'{value}'" if isinstance(value, str) else _number_text(value)


def _number_text(value: Value) -> str:
    return str(value) if isinstance(value, int) else f"{float(value):.12g}"
