"""Equal factors are one, and only equal ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_market.errors import ExpressionError
from agent_market.factors.canonical import canonical
from agent_market.factors.engine import Engine
from agent_market.factors.generate import random_factor, random_tree
from agent_market.factors.parse import parse, parse_factor
from agent_market.factors.tree import render
from tests.helpers.factor_samples import panel


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("close / open + volume / delay(volume, 1)", "volume / delay(volume, 1) + close / open"),
        ("ts_corr(close, volume, 9)", "ts_corr(volume, close, 9)"),
        ("(close - open + high) / low", "(high + close - open) / low"),
        ("close / open - 1", "-1 + close / open"),
        ("-(open - close) / open", "(close - open) / open"),
        ("-((open - close) / open)", "(close - open) / open"),
        ("1 - close / open", "-(close / open - 1)"),
        ("2 * (close / open) * 3", "close / open * 6"),
        ("(close / open) / 0.5", "(close / open) * 2"),
        ("close < open", "open > close"),
        ("not close > open", "close <= open"),
        ("0 if not close > open else 1", "1 if close > open else 0"),
        ("delay(delay(close, 2), 3) / close", "delay(close, 5) / close"),
        ("abs(open - close) / close", "abs(close - open) / close"),
        ("zscore(-close, 9)", "-zscore(close, 9)"),
        ("max(max(close / open, 1), close / open)", "max(1, close / open)"),
        ("close / open * (0.1 + 0.2)", "close / open * 0.3"),
        ("ts_std(-volume, 8) / volume", "ts_std(volume, 8) / volume"),
    ],
)
def test_equal_expressions_have_one_hash(one: str, other: str) -> None:
    assert parse_factor(one).digest == parse_factor(other).digest


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("close / open", "open / close"),
        ("ts_beta(close, open, 9)", "ts_beta(open, close, 9)"),
        ("ts_mean(close, 5) / close", "ts_mean(close, 6) / close"),
        ("close > open", "close >= open"),
        ("ts_rank(-close, 9)", "ts_rank(close, 9)"),
    ],
)
def test_different_expressions_have_different_hashes(one: str, other: str) -> None:
    assert parse_factor(one).digest != parse_factor(other).digest


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=150, deadline=None)
def test_a_factor_is_its_own_canonical_form_and_survives_its_text(seed: int) -> None:
    tree = random_factor(np.random.default_rng(seed))
    assert canonical(tree) == tree
    assert parse_factor(render(tree)) == tree


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_the_canonical_form_has_the_same_values(seed: int) -> None:
    random = np.random.default_rng(seed)
    written = parse(render(random_tree(random, int(random.integers(2, 9)))))
    try:
        short = canonical(written)
    except ExpressionError:
        return  # folding showed that a part has no value
    market = panel(rows=80, pairs=3, seed=seed % 97, missing=0.02)
    ours, theirs = Engine(market).evaluate(short), Engine(market).evaluate(written)
    continuous = {"sign", "gt", "ge", "lt", "le", "if_else", "ts_rank", "cs_rank", "ts_argmin", "ts_argmax"}
    if continuous & {node.operator for node in written.walk()}:
        return  # rounding may turn a tie either way
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9)
