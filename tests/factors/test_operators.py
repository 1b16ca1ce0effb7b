"""Every operator: equal to plain pandas, causal, and finite."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_market.factors import reference
from agent_market.factors.compute import COMPUTE
from agent_market.factors.engine import Engine
from agent_market.factors.operators import AT, OPERATORS
from agent_market.factors.panel import CandlePanel
from agent_market.factors.warmup import lookback
from tests.helpers.factor_samples import NAMES, example, panel


def assert_equal_values(ours: np.ndarray, theirs: np.ndarray, tolerance: float = 1e-9) -> None:
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs), err_msg="NaN in other places")
    there = ~np.isnan(ours)
    scale = np.maximum(np.abs(theirs[there]), 1.0)
    assert np.all(np.abs(ours[there] - theirs[there]) <= tolerance * scale), np.max(
        np.abs(ours[there] - theirs[there]) / scale
    )


def test_every_operator_has_a_computation_and_a_reference() -> None:
    assert set(COMPUTE) == set(reference.REFERENCE) == set(OPERATORS) - {AT.name}


@pytest.mark.parametrize("name", NAMES)
@given(
    seed=st.integers(0, 10_000),
    window=st.integers(2, 40),
    rows=st.integers(1, 120),
    pairs=st.integers(1, 6),
    missing=st.sampled_from([0.0, 0.03, 0.3]),
    ties=st.booleans(),
)
@settings(max_examples=12, deadline=None)
def test_an_operator_gives_what_plain_pandas_gives(
    name: str, seed: int, window: int, rows: int, pairs: int, missing: float, ties: bool
) -> None:
    market = panel(rows, pairs, seed, missing, ties)
    tree = example(OPERATORS[name], window)
    ours = Engine(market).evaluate(tree)
    theirs = reference.evaluate(tree, market).to_numpy().T
    assert_equal_values(ours, theirs)


@pytest.mark.parametrize("name", NAMES)
def test_changing_the_future_changes_nothing_before(name: str) -> None:
    market = panel(rows=150, seed=3)
    tree = example(OPERATORS[name], 9)
    before = Engine(market).evaluate(tree)
    random = np.random.default_rng(1)
    for cut in (40, 77, 149):
        columns = {key: values.copy() for key, values in market.columns.items()}
        for values in columns.values():
            values[:, cut:] = random.lognormal(2, 1, values[:, cut:].shape)
        changed = CandlePanel(market.times, market.pairs, columns, market.minutes)
        after = Engine(changed).evaluate(tree)
        assert_equal_values(after[:, :cut], before[:, :cut], 1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_a_value_depends_on_no_more_than_its_lookback(name: str) -> None:
    market = panel(rows=200, seed=4)
    tree = example(OPERATORS[name], 8)
    reach = lookback(tree, market.minutes)
    whole = Engine(market).evaluate(tree)
    for stop in (120, 121, 122, 123, 200):
        tail = Engine(market.window(stop - reach, stop)).evaluate(tree)
        assert_equal_values(tail[:, -1:], whole[:, stop - 1 : stop])


@pytest.mark.parametrize("name", NAMES)
def test_extreme_values_never_make_an_infinity(name: str) -> None:
    market = panel(rows=80, seed=5, missing=0.1)
    columns = {key: values.copy() for key, values in market.columns.items()}
    for values in columns.values():
        values[0, 10:20] = 1e300
        values[1, 12:30] = 0.0
        values[2, 15:25] = 1e-300
    values = Engine(CandlePanel(market.times, market.pairs, columns, 60)).evaluate(
        example(OPERATORS[name], 5)
    )
    assert not np.isinf(values).any()
