"""How many candles a factor needs before its first value."""

from __future__ import annotations

from agent_market.errors import DataError
from agent_market.factors.operators import AT, OPERATORS, TIMEFRAMES
from agent_market.factors.tree import FIELD, NUMBER, Tree


def lookback(tree: Tree, minutes: int) -> int:
    """Candles of `minutes` that a value depends on, its own included.

    A value on a longer timeframe reaches back over its bars, and over the bar that is still growing.

    :raises DataError: if a timeframe in the tree is not a multiple of `minutes`.
    """
    if tree.operator in (FIELD, NUMBER):
        return 1
    if tree.operator == AT.name:
        longer = TIMEFRAMES[str(tree.constants[0])]
        count = bars_per(minutes, longer)
        return lookback(tree.children[0], longer) * count + count - 1
    own = OPERATORS[tree.operator].rows(tree.constants)
    return own + max(lookback(child, minutes) for child in tree.children)


def bars_per(panel_minutes: int, minutes: int) -> int:
    """How many candles of the panel make one of `minutes`.

    :raises DataError: if it is not a whole number, 2 or more.
    """
    count, rest = divmod(minutes, panel_minutes)
    if rest or count < 2:
        raise DataError(
            f"`at` asks for {minutes} minutes on {panel_minutes}-minute candles; "
            "the longer timeframe must be a multiple, twice or more"
        )
    return count
