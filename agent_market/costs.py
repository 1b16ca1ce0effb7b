"""What trading costs: the one rule, by turnover, that rewards, weights, nets, credit and evaluation share.

A position is a share of the capital set aside for a pair, in [-1, 1].  Only what changes hands costs; holding
the same position on costs nothing.  Leaving is charged when the position is left, not when it is entered.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from agent_market.utils.arrays import Floats


def net_return(position: Any, before: Any, market_return: Any, side_cost: Any) -> Any:
    """Return of the capital from holding `position`, after the cost of getting there from `before`.

        position * market_return - side_cost * |position - before|

    Scalars give a scalar; arrays are broadcast. NaN in any argument gives NaN.

    :param position: share of the capital held over the period, in [-1, 1]; negative is short.
    :param before: the share held until then, 0 = flat.
    :param market_return: of a long position over the period, as a fraction.
    :param side_cost: cost of one side (fee and slippage), as a fraction of what is traded.
    """
    return position * market_return - side_cost * abs(position - before)


def turnover(position: Floats) -> Floats:
    """(T, ...) size of each change along the first axis, the first one from flat."""
    return np.abs(np.diff(position, axis=0, prepend=np.zeros_like(position[:1])))
