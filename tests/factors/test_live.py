"""Candle by candle gives what the whole history gives."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from agent_market.errors import DataError
from agent_market.factors.engine import Engine
from agent_market.factors.live import LiveFactors
from agent_market.factors.operators import OPERATORS
from agent_market.factors.panel import CandlePanel
from agent_market.factors.parse import parse, parse_factor
from agent_market.factors.types import FIELDS
from tests.helpers.factor_samples import NAMES, example, panel

TREES = tuple(example(OPERATORS[name], window) for name in NAMES for window in (6, 30))


def newest_candles(market: CandlePanel, row: int) -> dict[str, dict[str, float]]:
    """The candles of one row; a pair without one is left out."""
    return {
        pair: {name: float(market.columns[name][p, row]) for name in FIELDS}
        for p, pair in enumerate(market.pairs)
        if market.present[p, row]
    }


def test_the_newest_values_equal_the_batch_for_every_operator() -> None:
    market = panel(rows=260, pairs=3, seed=6)
    batch = np.stack([Engine(market).evaluate(tree) for tree in TREES])
    live = LiveFactors(TREES, market.window(0, 150))
    for row in range(150, 260, 1):
        values = live.update(market.times[row], newest_candles(market, row))
        np.testing.assert_array_equal(values, batch[:, :, row])


def test_a_corrected_candle_replaces_the_one_before_it() -> None:
    market = panel(rows=60, pairs=2, seed=7, missing=0)
    live = LiveFactors([parse_factor("ts_return(close, 5)")], market.window(0, 59))
    wrong = newest_candles(market, 58)
    live.update(market.times[59], wrong)
    right = live.update(market.times[59], newest_candles(market, 59))
    batch = Engine(market).evaluate(parse("ts_return(close, 5)"))
    np.testing.assert_allclose(right[0], batch[:, -1])


def test_rows_left_out_are_gaps() -> None:
    market = panel(rows=40, pairs=2, seed=8, missing=0)
    columns = {name: values.copy() for name, values in market.columns.items()}
    for values in columns.values():
        values[:, 31:35] = np.nan
    gapped = CandlePanel(market.times, market.pairs, columns, 60)
    tree = parse("ts_mean(close, 20) / close")
    live = LiveFactors([tree], market.window(0, 31))
    values = live.update(market.times[35], newest_candles(market, 35))
    np.testing.assert_allclose(values[0], Engine(gapped).evaluate(tree)[:, 35], rtol=1e-12)


def test_what_does_not_follow_is_refused() -> None:
    market = panel(rows=40, pairs=2)
    live = LiveFactors([parse("ts_return(close, 5)")], market)
    with pytest.raises(DataError, match="does not follow"):
        live.update(live.asof - pd.Timedelta(hours=1), {})
    with pytest.raises(DataError, match="does not follow"):
        live.update(live.asof + pd.Timedelta(minutes=90), {})
    with pytest.raises(DataError, match="X/USDT"):
        live.update(live.asof + pd.Timedelta(hours=1), {"X/USDT": {}})
    with pytest.raises(DataError, match="is inf"):
        live.update(live.asof + pd.Timedelta(hours=1), {"P0/USDT": {"close": np.inf}})
