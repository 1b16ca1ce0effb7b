from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_market.stats.metrics import daily_returns, drawdown, performance, sharpe, sortino


def curve(*values: float) -> pd.Series:
    return pd.Series(values, index=pd.date_range("2024-01-01", periods=len(values), freq="D", tz="UTC"))


def test_sharpe_by_hand():
    # returns 1%, -1%, 3%: mean 1%, sample deviation sqrt((0 + 4 + 4) / 2) = 2%
    assert sharpe(np.array([0.01, -0.01, 0.03])) == pytest.approx(0.5 * math.sqrt(365))


def test_sortino_by_hand():
    # downside deviation over all three days: sqrt((0 + 1 + 0) / 3) %
    assert sortino(np.array([0.01, -0.01, 0.03])) == pytest.approx(math.sqrt(3) * math.sqrt(365))


def test_what_is_not_defined_is_none_not_infinite():
    flat = performance(curve(100, 100, 100))
    assert (flat.sharpe, flat.sortino, flat.cagr, flat.calmar) == (None, None, None, None)
    assert flat.max_drawdown == 0
    rising = performance(curve(100, 101, 102.5))
    assert rising.sharpe is not None
    assert rising.sortino is None
    single = performance(curve(100))
    assert (single.monthly, single.sharpe, single.days) == (None, None, 0)


def test_drawdown_by_hand():
    assert drawdown(curve(100, 120, 90, 130, 117)).tolist() == pytest.approx([0, 0, 0.25, 0, 0.1])
    assert performance(curve(100, 120, 90, 130, 117)).max_drawdown == pytest.approx(0.25)


def test_growth_a_month_compounds_to_the_whole_and_a_year_is_needed_for_cagr():
    values = [100.0] * 365 + [144.0]
    year = performance(curve(*values))
    assert year.cagr == pytest.approx(0.44)
    assert (1 + year.monthly) ** 12 == pytest.approx(1.44)
    assert performance(curve(*values[1:])).cagr is None


def test_a_ruined_account_returns_nothing_more():
    assert daily_returns(curve(100, 0, 0)).tolist() == [-1, 0]
    assert performance(curve(100, 0, 0)).monthly == -1


@given(st.lists(st.floats(1, 1e6), min_size=2, max_size=50))
def test_drawdown_lies_between_zero_and_one(values):
    falls = drawdown(curve(*values))
    assert falls.between(0, 1).all()
    assert math.isfinite(performance(curve(*values)).total_return)
