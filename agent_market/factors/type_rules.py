"""Type rules: what kind a result has, given the kinds of the inputs, or why they do not fit.

A rule takes the kinds of an operator's series inputs, in order, and gives the result's kind.  It raises
`Misfit` with the number of the input that does not fit, what is wrong with it, and what would.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from agent_market.factors.types import BOOLEAN, BOUNDED, MAX_POWER, MONEY, RATIO, ValueType

Rule = Callable[[tuple[ValueType, ...]], ValueType]

_FREE_IT = "make it free of units first, e.g. ts_return(x, 1), zscore(x, 24) or x / ts_mean(x, 24)"


class Misfit(Exception):
    """Input number `argument` does not fit: the problem and its fix."""

    def __init__(self, argument: int, problem: str, fix: str) -> None:
        super().__init__(problem)
        self.argument = argument
        self.problem = problem
        self.fix = fix


def keep(kinds: tuple[ValueType, ...]) -> ValueType:
    """One of the input's own values."""
    return RATIO if kinds[0].range == "zero" else kinds[0]


def average(kinds: tuple[ValueType, ...]) -> ValueType:
    """Between the input's values: unit and bounds stay, a boolean becomes a share."""
    return BOUNDED if kinds[0].bounded else kinds[0]


def same_unit_one(kinds: tuple[ValueType, ...]) -> ValueType:
    """The unit stays, the range does not (sums, differences, deviations)."""
    return kinds[0].without_range()


def sum_of(kinds: tuple[ValueType, ...]) -> ValueType:
    """Sum or difference of two values of one unit."""
    return _common(kinds).without_range()


def either_of(kinds: tuple[ValueType, ...]) -> ValueType:
    """One of two values of one unit: as narrow as the wider of the two."""
    unit = _common(kinds)
    if all(kind.boolean for kind in kinds):
        return BOOLEAN
    return BOUNDED if all(kind.bounded for kind in kinds) else unit.without_range()


def chosen(kinds: tuple[ValueType, ...]) -> ValueType:
    """`if_else`: a condition, then two values of one unit."""
    _conditions(kinds[:1])
    try:
        return either_of(kinds[1:])
    except Misfit as misfit:
        raise Misfit(misfit.argument + 1, misfit.problem, misfit.fix) from misfit


def compared(kinds: tuple[ValueType, ...]) -> ValueType:
    """Two values of one unit compared."""
    _common(kinds)
    return BOOLEAN


def logical(kinds: tuple[ValueType, ...]) -> ValueType:
    """Conditions only."""
    _conditions(kinds)
    return BOOLEAN


def product(kinds: tuple[ValueType, ...]) -> ValueType:
    """Units multiply."""
    left, right = kinds
    if left.bounded and right.bounded:
        return BOUNDED
    return _limited(ValueType(left.price + right.price, left.volume + right.volume))


def quotient(kinds: tuple[ValueType, ...]) -> ValueType:
    """Units divide."""
    left, right = kinds
    if right.range == "zero":
        raise Misfit(1, "is a division by zero", "divide by something else")
    if left.range == "zero":
        raise Misfit(0, "divided by anything is zero", "leave that term out")
    return _limited(ValueType(left.price - right.price, left.volume - right.volume))


def ratio(kinds: tuple[ValueType, ...]) -> ValueType:
    """Free of units whatever goes in."""
    return RATIO


def bounded(kinds: tuple[ValueType, ...]) -> ValueType:
    """Within [-1, 1] whatever goes in."""
    return BOUNDED


def free_to_ratio(kinds: tuple[ValueType, ...]) -> ValueType:
    """Unit-free in, unit-free out (a function that means nothing for a price in dollars)."""
    _unit_free(kinds)
    return RATIO


def free_to_bounded(kinds: tuple[ValueType, ...]) -> ValueType:
    """Unit-free in, within [-1, 1] out."""
    _unit_free(kinds)
    return BOUNDED


def magnitude(kinds: tuple[ValueType, ...]) -> ValueType:
    """Absolute value: all stays."""
    return RATIO if kinds[0].range == "zero" else kinds[0]


def negative(kinds: tuple[ValueType, ...]) -> ValueType:
    """Sign turned: a boolean becomes bounded."""
    return BOUNDED if kinds[0].boolean else keep(kinds)


def across(kinds: tuple[ValueType, ...]) -> ValueType:
    """Compared across pairs, result free of units."""
    _comparable(kinds)
    return RATIO


def across_bounded(kinds: tuple[ValueType, ...]) -> ValueType:
    """Compared across pairs, result within [-1, 1]."""
    _comparable(kinds)
    return BOUNDED


def across_same(kinds: tuple[ValueType, ...]) -> ValueType:
    """Compared across pairs, result in the input's unit."""
    _comparable(kinds)
    return kinds[0].without_range()


def covariance(kinds: tuple[ValueType, ...]) -> ValueType:
    """Product of the two units."""
    return _limited(ValueType(kinds[0].price + kinds[1].price, kinds[0].volume + kinds[1].volume))


def slope_of(kinds: tuple[ValueType, ...]) -> ValueType:
    """Unit of the first by unit of the second."""
    return _limited(ValueType(kinds[0].price - kinds[1].price, kinds[0].volume - kinds[1].volume))


def _common(kinds: tuple[ValueType, ...]) -> ValueType:
    left, right = kinds
    if not left.same_unit(right):
        raise Misfit(
            1,
            f"is a {right} where a {left} is needed",
            "give both sides one unit: divide each by a value of its own unit (close / delay(close, 1), "
            "volume / ts_mean(volume, 24))",
        )
    common = right if left.range == "zero" else left
    return replace(common, range="free") if common.range == "zero" else common


def _conditions(kinds: tuple[ValueType, ...]) -> None:
    for position, kind in enumerate(kinds):
        if not kind.boolean:
            raise Misfit(
                position, f"is a {kind} where a condition is needed", "compare it with something, e.g. x > 0"
            )


def _unit_free(kinds: tuple[ValueType, ...]) -> None:
    for position, kind in enumerate(kinds):
        if not kind.unit_free:
            raise Misfit(position, f"is a {kind} where a value free of units is needed", _FREE_IT)


def _comparable(kinds: tuple[ValueType, ...]) -> None:
    for position, kind in enumerate(kinds):
        if not kind.unit_free and kind != MONEY:
            raise Misfit(position, f"is a {kind}, which cannot be compared across pairs", _FREE_IT)


def _limited(kind: ValueType) -> ValueType:
    if max(abs(kind.price), abs(kind.volume)) > MAX_POWER:
        raise Misfit(
            0,
            f"leads to the unit {kind}; powers beyond {MAX_POWER} are refused",
            "divide by prices or volumes",
        )
    return kind
