"""Deflation by trials, against published examples and answers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_market.stats.deflation import (
    counted_trials,
    deflated_sharpe,
    effective_trials,
    expected_best_sharpe,
    probabilistic_sharpe,
    sharpe,
    sidak,
)


def test_sidak_by_hand() -> None:
    # Two tests at 0.05: 1 - 0.95^2.
    assert sidak(0.05, 2) == pytest.approx(0.0975)
    assert sidak(0.01, 1) == pytest.approx(0.01)
    assert sidak(0.0, 50) == 0.0
    assert sidak(1.0, 3) == 1.0


@given(p=st.floats(0, 1), trials=st.floats(1, 1e4))
def test_more_trials_never_make_a_result_more_certain(p: float, trials: float) -> None:
    assert sidak(p, trials) <= sidak(p, trials + 1.0) + 1e-12
    assert sidak(p, trials) >= p - 1e-12


def test_the_published_example_of_the_deflated_sharpe_ratio() -> None:
    # Bailey & Lopez de Prado (2014), section "A numerical example": annual Sharpe 2.5 over 1,250 days of 250
    # a year, 100 trials whose annual Sharpe ratios have variance 1/2, skewness -3, kurtosis 10.
    daily, spread = 2.5 / math.sqrt(250), math.sqrt(0.5 / 250)
    hundred = expected_best_sharpe(100, spread)
    assert hundred == pytest.approx(0.1132, abs=5e-5)
    assert probabilistic_sharpe(daily, hundred, 1_250, -3.0, 10.0) == pytest.approx(0.9004, abs=5e-5)
    # The same paper: with 46 independent trials it would have passed at 95%.
    fewer = expected_best_sharpe(46, spread)
    assert probabilistic_sharpe(daily, fewer, 1_250, -3.0, 10.0) == pytest.approx(0.9505, abs=5e-4)


def test_probabilistic_sharpe_by_hand() -> None:
    # 0.1 sqrt(99) / sqrt(1 + 0.005) = 0.99252, and Phi of that.
    assert probabilistic_sharpe(0.1, 0.0, 100) == pytest.approx(0.839529, abs=1e-5)


def test_one_trial_owes_nothing_to_luck() -> None:
    assert expected_best_sharpe(1, 0.5) == 0.0
    values = np.random.default_rng(0).normal(0.1, 1.0, 500)
    assert deflated_sharpe(values, 1) > deflated_sharpe(values, 20) > deflated_sharpe(values, 400)


def test_the_expected_best_of_many_agrees_with_simulation() -> None:
    best = np.random.default_rng(1).normal(size=(4_000, 50)).max(axis=1).mean()
    assert expected_best_sharpe(50, 1.0) == pytest.approx(best, rel=0.02)


def test_sharpe_by_hand() -> None:
    assert sharpe([1.0, 2.0, 3.0]) == 2.0
    assert sharpe([0.0, 0.0]) == 0.0
    assert sharpe([1.0, 1.0]) == math.inf
    assert deflated_sharpe([1.0, 1.0], 5) == 1.0
    assert deflated_sharpe([0.0, 0.0], 5) == 0.5


def test_copies_of_one_trial_count_once_and_independent_ones_each() -> None:
    rng = np.random.default_rng(2)
    one = rng.normal(size=(2_000, 1))
    assert effective_trials(np.repeat(one, 10, axis=1), 10) == pytest.approx(1.0)
    assert effective_trials(rng.normal(size=(2_000, 10)), 10) == pytest.approx(10.0, abs=0.3)
    # Mean correlation 0.5 among 11: 0.5 + 0.5 * 11 = 6.
    shared = one + rng.normal(size=(2_000, 11))
    assert effective_trials(shared, 11) == pytest.approx(6.0, abs=0.3)


def test_results_of_some_trials_stand_for_all_of_them() -> None:
    one = np.random.default_rng(3).normal(size=(500, 1))
    assert effective_trials(np.repeat(one, 3, axis=1), 40) == pytest.approx(1.0)
    assert effective_trials(one, 40) == 40.0


def test_what_was_dropped_unmeasured_counts_as_independent() -> None:
    one = np.random.default_rng(5).normal(size=(500, 1))
    # Three measured copies are one trial; two that were dropped are two.
    assert counted_trials(np.repeat(one, 3, axis=1), 5) == pytest.approx(3.0)
    assert counted_trials(np.zeros((500, 0)), 4) == 4.0
    with pytest.raises(ValueError, match="3 of 2"):
        counted_trials(np.repeat(one, 3, axis=1), 2)


def test_a_trial_that_never_varies_correlates_with_none() -> None:
    table = np.column_stack([np.random.default_rng(4).normal(size=100), np.zeros(100)])
    assert effective_trials(table, 2) == pytest.approx(2.0)


@pytest.mark.parametrize(("p", "trials"), [(-0.1, 1), (1.1, 1), (0.5, 0)])
def test_impossible_inputs_are_refused(p: float, trials: float) -> None:
    with pytest.raises(ValueError, match="p-value"):
        sidak(p, trials)
