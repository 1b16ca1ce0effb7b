"""One form for expressions that mean the same, so that equal factors are found by hash.

Rewrites keep the value (up to rounding) and the NaN rule.  In one pass, bottom up: constants are folded,
sums and products are flattened and ordered, signs are pulled outwards, comparisons all point one way.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from agent_market.errors import ExpressionError
from agent_market.factors.tree import FIELD, NUMBER, Tree, call, number

_FLATTENED = ("add", "mul", "min", "max", "logical_and", "logical_or")
_IDEMPOTENT = ("min", "max", "logical_and", "logical_or")
_EVEN = ("abs", "ts_std", "ts_kurt")
"""f(-x) = f(x): the sign is dropped."""
_ODD = ("sign", "tanh", "signed_power", "delta", "ts_sum", "ts_mean", "decay_linear", "ts_ema", "ts_slope",
        "ts_median", "zscore", "ts_skew", "cs_zscore", "cs_demean", "cs_scale",
        "cs_mean", "delay")  # fmt: skip
"""f(-x) = -f(x): the sign is pulled out."""


def canonical(tree: Tree) -> Tree:
    """The canonical form; `canonical(canonical(t)) == canonical(t)`.

    :raises ExpressionError: where folding shows that a part is nothing (it divides by zero, terms cancel).
    """
    done: dict[str, Tree] = {}

    def visit(node: Tree) -> Tree:
        if node.digest not in done:
            done[node.digest] = _rewrite(node, tuple(visit(child) for child in node.children))
        return done[node.digest]

    return visit(tree)


def _rewrite(node: Tree, children: tuple[Tree, ...]) -> Tree:
    if node.operator in (FIELD, NUMBER):
        return node
    if children and all(child.operator == NUMBER for child in children):
        folded = _folded(node, tuple(float(child.constants[0]) for child in children))
        if folded is not None:
            return folded
    rewrite = _REWRITES.get(node.operator)
    if rewrite is not None:
        return rewrite(children)
    if node.operator in _EVEN and _negated(children[0]):
        return _rewrite(node, (_negate(children[0]),))
    if node.operator == "abs" and children[0].operator == "abs":
        return children[0]
    if node.operator in _ODD and _negated(children[0]):
        return _negate(_rewrite(node, (_negate(children[0]),)))
    if node.operator == "delay" and children[0].operator == "delay":
        inner = children[0]
        return call("delay", inner.children, (int(node.constants[0]) + int(inner.constants[0]),))
    if node.operator in ("ts_corr", "ts_cov"):
        children = tuple(sorted(children, key=_order))
    return call(node.operator, children, node.constants)


def _add(children: tuple[Tree, ...]) -> Tree:
    """A sum as its terms: those that count positive, in order, less those that count negative, in order."""
    plus: list[Tree] = []
    minus: list[Tree] = []
    constant = 0.0
    for term in _terms(children, "add"):
        sign, bare = (-1, _negate(term)) if _negated(term) else (1, term)
        if bare.operator == NUMBER:
            constant += sign * float(bare.constants[0])
        else:
            (plus if sign > 0 else minus).append(bare)
    # x - x beside other terms stays: dropping it would fill in what is absent where x is NaN.
    if plus == minus and len(plus) == 1:
        raise ExpressionError(f"its terms cancel: `{plus[0]}` less itself is 0", "leave that term out")
    if constant > 0 or not (plus or minus):
        plus.append(number(constant))
    elif constant < 0:
        minus.append(number(-constant))
    positive, negative = _chain("add", plus), _chain("add", minus)
    if negative is None:
        assert positive is not None
        return positive
    if positive is None:
        return call("neg", (negative,))
    # a - b and -(b - a) are one: what comes first in order counts positive, and the sign goes outside.
    if min(minus, key=_order) in plus or _order(min(plus, key=_order)) < _order(min(minus, key=_order)):
        return call("sub", (positive, negative))
    return call("neg", (call("sub", (negative, positive)),))


def _sub(children: tuple[Tree, ...]) -> Tree:
    return _add((children[0], _negate(children[1])))


def _mul(children: tuple[Tree, ...]) -> Tree:
    """A product as one constant and its other factors in order; the sign goes outside."""
    constant, others = 1.0, []
    for factor in _terms(children, "mul"):
        if factor.operator == NUMBER:
            constant *= float(factor.constants[0])
        elif _negated(factor):
            constant = -constant
            others.extend(_terms((_negate(factor),), "mul"))
        else:
            others.append(factor)
    loose = [factor for factor in others if factor.operator == NUMBER]
    for factor in loose:
        constant *= float(factor.constants[0])
    others = [factor for factor in others if factor.operator != NUMBER]
    product = _chain("mul", others)
    if not constant:
        raise ExpressionError("it multiplies by zero", "leave that term out")
    if product is None or not math.isfinite(constant):
        return number(constant)
    size = number(abs(constant))
    if size != number(1):
        product = call("mul", (product, size))
    return call("neg", (product,)) if constant < 0 else product


def _div(children: tuple[Tree, ...]) -> Tree:
    top, bottom = children
    if bottom.operator == NUMBER:
        if not bottom.constants[0]:
            raise ExpressionError("it divides by zero", "divide by something else")
        return _mul((top, number(1 / float(bottom.constants[0]))))
    if _negated(bottom):
        return _negate(_div((top, _negate(bottom))))
    if _negated(top):
        return call("neg", (_div((_negate(top), bottom)),))
    return call("div", (top, bottom))


def _neg(children: tuple[Tree, ...]) -> Tree:
    return _negate(children[0])


def _gt(children: tuple[Tree, ...]) -> Tree:
    return call("gt", children)


def _lt(children: tuple[Tree, ...]) -> Tree:
    return call("gt", children[::-1])


def _ge(children: tuple[Tree, ...]) -> Tree:
    return call("ge", children)


def _le(children: tuple[Tree, ...]) -> Tree:
    return call("ge", children[::-1])


def _not(children: tuple[Tree, ...]) -> Tree:
    """NaN stays NaN in comparisons and in `not`, so `not a > b` is `b >= a`."""
    inner = children[0]
    if inner.operator == "logical_not":
        return inner.children[0]
    if inner.operator in ("gt", "ge"):
        return call("ge" if inner.operator == "gt" else "gt", inner.children[::-1])
    return call("logical_not", children)


def _if_else(children: tuple[Tree, ...]) -> Tree:
    condition, then, other = children
    if condition.operator == "logical_not":
        return _if_else((condition.children[0], other, then))
    if condition.operator == "ge":  # x >= y fails where y > x
        return call("if_else", (call("gt", condition.children[::-1]), other, then))
    return call("if_else", (condition, then, other))


def _chained(operator: str) -> Callable[[tuple[Tree, ...]], Tree]:
    def rewrite(children: tuple[Tree, ...]) -> Tree:
        terms = list(dict.fromkeys(_terms(children, operator)))
        chain = _chain(operator, terms)
        assert chain is not None
        return chain

    return rewrite


_REWRITES: dict[str, Callable[[tuple[Tree, ...]], Tree]] = {
    "add": _add,
    "sub": _sub,
    "mul": _mul,
    "div": _div,
    "neg": _neg,
    "gt": _gt,
    "lt": _lt,
    "ge": _ge,
    "le": _le,
    "logical_not": _not,
    "if_else": _if_else,
} | {operator: _chained(operator) for operator in _IDEMPOTENT}


def _terms(children: tuple[Tree, ...], operator: str) -> list[Tree]:
    """The terms of a nested sum (or product, ...), left to right; `sub` and `neg` are parts of a sum."""
    terms: list[Tree] = []
    for child in children:
        if child.operator == operator:
            terms.extend(_terms(child.children, operator))
        elif operator == "add" and child.operator == "sub":
            terms.extend(_terms(child.children[:1], operator))
            terms.extend(_negate(term) for term in _terms(child.children[1:], operator))
        elif operator == "add" and child.operator == "neg" and child.children[0].operator in ("add", "sub"):
            terms.extend(_negate(term) for term in _terms(child.children, operator))
        else:
            terms.append(child)
    return terms


def _chain(operator: str, terms: list[Tree]) -> Tree | None:
    """A left-deep chain of the terms in order; None of none."""
    if not terms:
        return None
    ordered = sorted(terms, key=_order)
    chain = ordered[0]
    for term in ordered[1:]:
        chain = call(operator, (chain, term))
    return chain


def _order(tree: Tree) -> tuple[bool, int, str]:
    """Numbers last, then large before small, so that a chain of leaves stays shallow at its deep end."""
    return tree.operator == NUMBER, -tree.size, tree.digest


def _negated(tree: Tree) -> bool:
    return tree.operator == "neg" or (tree.operator == NUMBER and float(tree.constants[0]) < 0)


def _negate(tree: Tree) -> Tree:
    if tree.operator == "neg":
        return tree.children[0]
    if tree.operator == NUMBER:
        return number(-float(tree.constants[0]))
    return call("neg", (tree,))


def _folded(node: Tree, values: tuple[float, ...]) -> Tree | None:
    """The number that an operator on numbers makes; None where it is better left as it is."""
    fold = _FOLDS.get(node.operator)
    if fold is None:
        return None
    try:
        return number(fold(*values, *node.constants))
    except ZeroDivisionError:
        raise ExpressionError("it divides by zero", "divide by something else") from None
    except (ValueError, OverflowError):
        raise ExpressionError(f"`{node}` has no value", "leave it out") from None


_FOLDS: dict[str, Callable[..., float]] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y,
    "neg": lambda x: -x,
    "abs": abs,
    "sign": lambda x: math.copysign(1, x) if x else 0.0,
    "log": math.log,
    "tanh": math.tanh,
    "signed_power": lambda x, p: math.copysign(abs(x) ** p, x),
    "clip": lambda x, low, high: min(max(x, low), high),
    "min": min,
    "max": max,
}
