"""Panels and one expression per operator, for the tests of this folder."""

from __future__ import annotations

import numpy as np
import pandas as pd

from agent_market.factors.operators import OPERATORS, Operator
from agent_market.factors.panel import CandlePanel
from agent_market.factors.tree import Tree, call, field
from agent_market.factors.types import FIELDS


def panel(
    rows: int = 160,
    pairs: int = 4,
    seed: int = 0,
    missing: float = 0.03,
    ties: bool = False,
    start: str = "2024-01-01 03:00",
) -> CandlePanel:
    """Random walks with gaps. With `ties`, prices and volumes are small whole numbers, so many are equal."""
    random = np.random.default_rng(seed)
    shape = (pairs, rows)
    if ties:
        columns = {name: random.integers(1, 4, shape).astype(float) for name in FIELDS}
    else:
        close = 100 * np.exp(np.cumsum(random.normal(0, 0.02, shape), axis=1))
        spread = np.abs(random.normal(0, 0.01, (2, *shape)))
        columns = {
            "open": close * np.exp(random.normal(0, 0.005, shape)),
            "high": close * (1 + spread[0]),
            "low": close * (1 - spread[1]),
            "close": close,
            "volume": random.lognormal(3, 1, shape),
        }
    gone = random.random(shape) < missing
    for values in columns.values():
        values[gone] = np.nan
    times = pd.date_range(start, periods=rows, freq="1h", tz="UTC", unit="ms") + pd.Timedelta(hours=1)
    return CandlePanel(times, tuple(f"P{i}/USDT" for i in range(pairs)), columns, 60)


def example(operator: Operator, window: int = 7) -> Tree:
    """The operator on plain inputs that fit it."""
    rising, heavy = call("gt", (field("close"), field("open"))), call("gt", (field("high"), field("close")))
    growth, second = call("ts_return", (field("close"),), (1,)), call("ts_return", (field("volume"),), (2,))
    logical = operator.name.startswith("logical")
    pool = [rising, heavy] if logical else [growth, second]
    if operator.name == "if_else":
        pool = [rising, growth, second]
    constants = {
        "window": max(window, 5),
        "lag": window,
        "timeframe": "4h",
    }
    numbers = {"low": -0.01, "high": 0.02, "exponent": 1.7}
    return call(
        operator.name,
        tuple(pool[: operator.series]),
        tuple(constants.get(p.role, numbers.get(p.name, 1.0)) for p in operator.constants),
    )


NAMES = tuple(OPERATORS)
