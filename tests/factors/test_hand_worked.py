"""A few operators worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from agent_market.factors.compute import COMPUTE


def newest(name: str, values: list[float], *constants: float) -> float:
    return float(COMPUTE[name](np.array([values]), *constants)[0, -1])


def test_decay_linear_weighs_the_newest_most() -> None:
    assert newest("decay_linear", [10.0, 20.0, 40.0], 3) == pytest.approx((1 * 10 + 2 * 20 + 3 * 40) / 6)


def test_a_gap_in_decay_linear_loses_its_weight() -> None:
    values = [10.0, 20.0, np.nan, 40.0, 50.0]
    assert newest("decay_linear", values, 5) == pytest.approx((10 + 2 * 20 + 4 * 40 + 5 * 50) / 12)


def test_ts_rank_counts_ties_half() -> None:
    # 2 ties with one other 2: ranks 2 and 3 of 4, so 2.5 / 4.
    assert newest("ts_rank", [1.0, 2.0, 3.0, 2.0], 4) == pytest.approx(2.5 / 4)


def test_ts_argmax_of_equals_is_the_newest() -> None:
    assert newest("ts_argmax", [5.0, 1.0, 5.0, 2.0, 3.0], 5) == pytest.approx(2 / 4)


def test_ts_slope_is_the_rise_per_candle() -> None:
    assert newest("ts_slope", [1.0, 3.0, 5.0, 7.0], 4) == pytest.approx(2.0)


def test_ts_ema_has_the_textbook_decay() -> None:
    # span 2: decay 2/3, so an age counts 1/3 of the one after it, over 6 rows.
    weights = (1 / 3) ** np.arange(6)
    values = [6.0, 5.0, 4.0, 3.0, 2.0, 1.0]
    assert newest("ts_ema", values, 2) == pytest.approx(np.average(values[::-1], weights=weights))


def test_cs_rank_is_a_share_of_the_pairs_that_are_there() -> None:
    column = np.array([[3.0], [1.0], [np.nan], [3.0]])
    ranks = COMPUTE["cs_rank"](column)[:, 0]
    np.testing.assert_allclose(ranks, [2.5 / 3, 1 / 3, np.nan, 2.5 / 3])


def test_cs_scale_has_the_absolute_sum_one() -> None:
    np.testing.assert_allclose(COMPUTE["cs_scale"](np.array([[1.0], [-3.0]]))[:, 0], [0.25, -0.75])


def test_a_comparison_with_nothing_is_nothing() -> None:
    x, y = np.array([[1.0, np.nan, 2.0]]), np.array([[0.0, 1.0, np.nan]])
    np.testing.assert_array_equal(COMPUTE["gt"](x, y), [[1.0, np.nan, np.nan]])


def test_if_else_needs_only_the_branch_it_takes() -> None:
    condition = np.array([[1.0, 0.0, np.nan]])
    x, y = np.array([[1.0, np.nan, 1.0]]), np.array([[np.nan, 2.0, 2.0]])
    np.testing.assert_array_equal(COMPUTE["if_else"](condition, x, y), [[1.0, 2.0, np.nan]])
