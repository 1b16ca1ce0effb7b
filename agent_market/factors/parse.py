"""Text to tree.

Python's own `ast` reads the grammar, nothing is ever compiled or evaluated, and a whitelist turns the
syntax tree into ours.  Both call form and infix are read: `sub(close, open) / open`, `close > open`,
`x if close > open else y`, `a and not b`.  Every refusal names its position and what to write instead.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from agent_market.errors import ExpressionError
from agent_market.factors.canonical import canonical
from agent_market.factors.lexer_checks import scan
from agent_market.factors.limits import LIMITS, Limits
from agent_market.factors.operators import OPERATORS, SYNONYMS, Operator, Parameter, Value
from agent_market.factors.tree import FIELD, Tree, call, field, number
from agent_market.factors.types import FIELDS, ValueType

_BINARY: dict[type, str] = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div"}
_COMPARE: dict[type, str] = {ast.Gt: "gt", ast.GtE: "ge", ast.Lt: "lt", ast.LtE: "le"}
_BOOLEAN: dict[type, str] = {ast.And: "logical_and", ast.Or: "logical_or"}
_INSTEAD: dict[type, str] = {
    ast.Pow: "signed_power(x, 2) or mul(x, x)",
    ast.Mod: "nothing like it is causal and stable; leave it out",
    ast.FloorDiv: "a / b",
    ast.BitAnd: "a and b",
    ast.BitOr: "a or b",
    ast.Invert: "not a",
    ast.Eq: "a >= b and a <= b, or better a tolerance: abs(a - b) < c",
    ast.NotEq: "abs(a - b) > c",
}


def parse_factor(text: str, limits: Limits = LIMITS, fields: Mapping[str, ValueType] = FIELDS) -> Tree:
    """Read a factor: the canonical tree of an expression that is free of units and uses the market.

    :raises ExpressionError: as `parse`, and where the whole has a unit (a value in dollars cannot be compared
        across pairs or years) or uses no field.
    """
    tree = parse(text, limits, fields)
    try:
        return factor_of(tree, limits)
    except ExpressionError as error:
        raise error.within(text) from None


def factor_of(tree: Tree, limits: Limits = LIMITS) -> Tree:
    """The canonical form of a tree that may stand as a factor; see `parse_factor`."""
    try:
        tree = canonical(tree)
    except ExpressionError as error:
        raise error.at(0) from None
    if not tree.kind.unit_free:
        raise ExpressionError(
            f"a factor must be free of units; this is a {tree.kind}",
            "divide by a value of its own unit, or wrap it: zscore(x, 24), ts_rank(x, 24), ts_return(x, 1)",
            position=0,
        )
    if not any(node.operator == FIELD for node in tree.walk()):
        raise ExpressionError(
            "the factor is a constant: it uses no field, or its terms cancel",
            "use a field, e.g. ts_return(close, 24)",
            position=0,
        )
    check(tree, limits)
    return tree


def parse(text: str, limits: Limits = LIMITS, fields: Mapping[str, ValueType] = FIELDS) -> Tree:
    """Read an expression of any kind, as written (not canonical).

    :param fields: the columns it may name, with their kinds.
    :raises ExpressionError: with the position, what is wrong there, and the fix.
    """
    try:
        scan(text, limits)
        # A newline ends a statement in Python and is only a space here.
        source = text.translate(_SPACES)
        body = _syntax(source)
        tree = _Reader(limits, fields).read(body, 1)
        check(tree, limits)
    except ExpressionError as error:
        raise error.within(text) from None
    return tree


def check(tree: Tree, limits: Limits = LIMITS) -> None:
    """Refuse a tree that is larger than `limits` in any respect.

    :raises ExpressionError: naming the limit, what it is and what the tree has.
    """
    measures = (
        ("depth", tree.depth, limits.depth, "nest less"),
        ("size", tree.size, limits.size, "use fewer operators"),
        ("reach in candles", tree.rows, limits.rows, "use shorter windows"),
        ("cost in ns per value", tree.cost, limits.cost, "use shorter windows or fewer operators"),
    )
    for name, value, limit, fix in measures:
        if value > limit:
            raise ExpressionError(
                f"the expression's {name} is {value:g}; {limit:g} is allowed", fix, position=0
            )
    for node in tree.walk():
        for constant in node.constants:
            _check_constant(constant, limits)


_SPACES = str.maketrans("\n\t", "  ")


def _syntax(source: str) -> ast.expr:
    """Python's syntax tree; leading spaces would be an indentation, so they are cut and added back."""
    lead = len(source) - len(source.lstrip())
    try:
        body = ast.parse(source.lstrip(), mode="eval").body
    except SyntaxError as error:
        # Python gives 0 where the text ends too early.
        position = lead + error.offset - 1 if error.offset else len(source)
        raise ExpressionError(
            f"it cannot be read: {error.msg}", "check brackets, commas and operators here", position=position
        ) from None
    except (RecursionError, MemoryError, ValueError):
        raise ExpressionError("it is nested too deeply to be read", "nest less", position=0) from None
    if lead:
        for node in ast.walk(body):
            if isinstance(node, ast.expr):
                node.col_offset += lead
    return body


def _check_constant(value: Value, limits: Limits) -> None:
    if isinstance(value, int) and value > limits.window:
        raise ExpressionError(
            f"a window or lag of {value} candles; {limits.window} are allowed", "use a shorter one"
        )
    if isinstance(value, float) and value and not 1 / limits.constant <= abs(value) <= limits.constant:
        raise ExpressionError(
            f"the number {value:g} is out of range",
            f"use one from {1 / limits.constant:g} to {limits.constant:g}",
        )


@dataclass(frozen=True, slots=True)
class _Reader:
    """Turns Python's syntax tree into ours; refuses whatever is not on the list."""

    limits: Limits
    fields: Mapping[str, ValueType]

    def read(self, node: ast.expr, depth: int) -> Tree:
        if depth > self.limits.depth:
            raise ExpressionError(
                f"the expression is deeper than {self.limits.depth} levels",
                "nest less",
                position=node.col_offset,
            )
        try:
            tree = self._read(node, depth)
            for constant in tree.constants:
                _check_constant(constant, self.limits)
        except ExpressionError as error:
            raise error.at(node.col_offset) from None
        return tree

    def _read(self, node: ast.expr, depth: int) -> Tree:
        match node:
            case ast.Constant(value=value):
                return self._constant(value)
            case ast.Name(id=name):
                return self._name(name)
            case ast.Call():
                return self._call(node, depth)
            case ast.BinOp(left=left, op=op, right=right):
                return self._apply(_name_of(op, _BINARY), (left, right), depth)
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=value)):
                return self._constant(value, sign=-1)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self._apply("neg", (operand,), depth)
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.read(operand, depth + 1)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return self._apply("logical_not", (operand,), depth)
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                return self._apply(_name_of(op, _COMPARE), (left, right), depth)
            case ast.Compare():
                raise ExpressionError("comparisons are chained", "write a < b and b < c")
            case ast.BoolOp(op=op, values=values):
                return self._fold(_name_of(op, _BOOLEAN), values, depth)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self._apply("if_else", (test, body, orelse), depth)
            case ast.UnaryOp(op=op):
                _name_of(op, {})
        raise ExpressionError(
            f"{_syntax_name(node)} is not part of the language",
            "use fields, numbers, operators, comparisons and calls",
        )

    def _constant(self, value: object, sign: int = 1) -> Tree:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ExpressionError(
                f"{value!r:.40} is no number", "use a number; timeframes stand first in at('4h', x)"
            )
        return number(sign * float(_bounded(value, self.limits)))

    def _name(self, name: str) -> Tree:
        if name in self.fields:
            return field(name, self.fields)
        if name in OPERATORS:
            raise ExpressionError(
                f"`{name}` is an operator without its inputs", f"write {OPERATORS[name].signature}"
            )
        close = difflib.get_close_matches(name, self.fields, n=1)
        fix = f"did you mean `{close[0]}`?" if close else f"fields are {', '.join(self.fields)}"
        raise ExpressionError(f"`{name}` is no field", fix)

    def _fold(self, name: str, values: list[ast.expr], depth: int) -> Tree:
        tree = self.read(values[0], depth + 1)
        for value in values[1:]:
            other = self.read(value, depth + 1)
            if tree.depth >= self.limits.depth:
                raise ExpressionError(
                    f"the expression is deeper than {self.limits.depth} levels", "nest less"
                )
            tree = _positioned(name, (tree, other), (values[0], value))
        return tree

    def _apply(self, name: str, parts: tuple[ast.expr, ...], depth: int) -> Tree:
        return _positioned(name, tuple(self.read(part, depth + 1) for part in parts), parts)

    def _call(self, node: ast.Call, depth: int) -> Tree:
        if not isinstance(node.func, ast.Name):
            raise ExpressionError("only operators can be called, by name", "write e.g. ts_mean(close, 24)")
        operator = self._operator(node.func.id)
        if node.keywords:
            raise ExpressionError(
                f"`{operator.name}` takes its inputs by position",
                f"write {operator.signature}",
                position=node.keywords[0].value.col_offset,
            )
        if len(node.args) != len(operator.parameters):
            raise ExpressionError(
                f"`{operator.name}` takes {len(operator.parameters)} inputs and was given {len(node.args)}",
                f"write {operator.signature}",
            )
        children, constants = [], []
        for parameter, part in zip(operator.parameters, node.args, strict=True):
            if parameter.role == "series":
                children.append(self.read(part, depth + 1))
            else:
                constants.append(_literal(part, operator, parameter, self.limits))
        return _positioned(operator.name, tuple(children), tuple(node.args), tuple(constants))

    def _operator(self, name: str) -> Operator:
        if name in OPERATORS:
            return OPERATORS[name]
        meant = SYNONYMS.get(name.lower())
        close = [meant] if meant else difflib.get_close_matches(name[:40], OPERATORS, n=2)
        fix = (
            f"did you mean {' or '.join(f'`{n}`' for n in close)}?"
            if close
            else "see docs/concepts/factors.md for the list"
        )
        raise ExpressionError(f"`{name[:40]}` is no operator", fix)


def _positioned(
    name: str, children: tuple[Tree, ...], parts: tuple[ast.expr, ...], constants: tuple[Value, ...] = ()
) -> Tree:
    """`call`, with the position of the input that it refuses."""
    try:
        return call(name, children, constants)
    except ExpressionError as error:
        if error.argument is not None:
            raise error.at(parts[error.argument].col_offset) from None
        raise


def _bounded(value: float, limits: Limits) -> float:
    """A number as it was read, before anything is computed with it: Python's whole numbers have no bound."""
    if isinstance(value, int) and abs(value) > limits.constant:
        raise ExpressionError("the number is too large", f"stay below {limits.constant:g}")
    return value


def _literal(node: ast.expr, operator: Operator, parameter: Parameter, limits: Limits) -> Value:
    match node:
        case ast.Constant(value=str() as value):
            return value
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return _bounded_at(value, node, limits)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)) if (
            not isinstance(value, bool)
        ):
            return -_bounded_at(value, node, limits)
    raise ExpressionError(
        f"`{parameter.name}` of `{operator.name}` must be a plain constant",
        f"write {operator.signature} with a constant there",
        position=node.col_offset,
    )


def _bounded_at(value: float, node: ast.expr, limits: Limits) -> float:
    try:
        return _bounded(value, limits)
    except ExpressionError as error:
        raise error.at(node.col_offset) from None


def _name_of(op: ast.AST, names: Mapping[type, str]) -> str:
    if type(op) in names:
        return names[type(op)]
    instead = _INSTEAD.get(type(op))
    raise ExpressionError(
        f"the operator {type(op).__name__} is not part of the language",
        f"write {instead}" if instead else "use + - * / and comparisons",
    )


def _syntax_name(node: ast.expr) -> str:
    return {
        "Attribute": "attribute access",
        "Subscript": "indexing",
        "Lambda": "lambda",
        "JoinedStr": "a formatted string",
        "Tuple": "a tuple",
        "List": "a list",
    }.get(type(node).__name__, type(node).__name__)
