"""Leverage from conviction, for futures."""

from __future__ import annotations

import math

import pandas as pd

from agent_market.records import DEPTH_LIMIT


def conviction_leverage(dataframe: pd.DataFrame, column: str, most: float) -> float:
    """From 1 at depth 0 to `most` at full depth, on the newest row of `column`; 1 where there is no depth.

    :param most: leverage of full depth, >= 1.
    """
    if column not in dataframe or dataframe.empty:
        return 1.0
    depth = float(dataframe[column].to_numpy()[-1])
    if not math.isfinite(depth):
        return 1.0
    return 1.0 + (most - 1.0) * min(abs(depth) / DEPTH_LIMIT, 1.0)
