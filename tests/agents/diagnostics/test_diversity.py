"""How different agents are: worked out by hand, and the same whatever lies around it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_market.agents.diagnostics.diversity import (
    FEWEST,
    correlations,
    dispersion,
    dispersion_of,
    diversity,
    error_table,
    mean_correlation,
    turners,
)
from agent_market.config import DecisionSettings
from agent_market.records import AgentView
from tests.helpers.episode_makers import an_episode, an_outcome

SETTINGS = DecisionSettings(horizon_candles=4, reward_scale=2.0)
depths = st.lists(st.floats(-10, 10), min_size=1, max_size=8)


def test_dispersion_by_hand() -> None:
    assert dispersion([10.0, -10.0]) == 1.0
    assert dispersion([4.0, 4.0, 4.0]) == 0.0
    # mean 1, deviations 3 and -3: sqrt(9) / 10
    assert dispersion([4.0, -2.0]) == pytest.approx(0.3)
    # weights 3 : 1, mean 2.5; 0.75 * 1.5^2 + 0.25 * 4.5^2 = 6.75
    assert dispersion([4.0, -2.0], [3.0, 1.0]) == pytest.approx(math.sqrt(6.75) / 10)
    assert dispersion([7.0]) == dispersion([]) == 0.0
    assert dispersion([4.0, -2.0], [0.0, 0.0]) == pytest.approx(0.3)


def test_abstentions_do_not_count_as_zeros() -> None:
    views = [AgentView("a", 6.0, 0.5), AgentView("b", 2.0, 0.5), AgentView.abstain("c", "down")]
    assert dispersion_of(views) == pytest.approx(0.2)
    assert dispersion_of(views, {"a": 0.5, "b": 0.5, "c": 0.0}) == pytest.approx(0.2)


@given(depths, st.floats(-5, 5))
def test_dispersion_is_in_0_to_1_and_ignores_what_all_share(values: list[float], shift: float) -> None:
    assert 0.0 <= dispersion(values) <= 1.0
    small = [value / 2 for value in values]
    assert dispersion([value + shift for value in small]) == pytest.approx(dispersion(small), abs=1e-9)


def test_an_agent_turns_the_sign_if_it_differs_without_it() -> None:
    assert turners({"a": 3.0, "b": -1.0, "c": -1.5}) == {"a"}
    assert turners({"a": 3.0, "b": 1.0}) == frozenset()
    assert turners({"a": 1.0, "b": -2.0}) == {"b"}
    assert turners({"a": 2.0}) == frozenset(), "to nothing is no turn"
    assert turners({}) == frozenset()


def test_correlations_are_numpys_where_all_is_known() -> None:
    table = np.random.default_rng(1).normal(size=(50, 3)) * 3.0
    np.testing.assert_allclose(correlations(table), np.corrcoef(table.T), atol=1e-12)


def test_correlations_use_the_rows_on_which_both_spoke() -> None:
    rng = np.random.default_rng(2)
    table = rng.normal(size=(40, 3))
    table[:15, 0] = np.nan
    table[10:20, 1] = np.nan
    both = ~np.isnan(table[:, 0]) & ~np.isnan(table[:, 1])
    expected = np.corrcoef(table[both, 0], table[both, 1])[0, 1]
    assert correlations(table)[0, 1] == pytest.approx(expected)


def test_too_few_rows_or_no_variation_is_not_known() -> None:
    few = np.random.default_rng(3).normal(size=(FEWEST - 1, 2))
    assert np.isnan(correlations(few)[0, 1])
    assert mean_correlation(few) is None
    flat = np.column_stack([np.ones(20), np.arange(20.0)])
    assert np.isnan(correlations(flat)[0, 1])


def test_errors_are_depth_less_outcome_in_expected_deviations() -> None:
    """volatility 1% over 4 candles: 2% expected, and 4% at reward scale 2; +1% is then +0.25."""
    settled = an_episode(0, depths={"a": 5.0, "b": -5.0}, outcome=an_outcome(4, 0.01))
    quiet = replace(settled, views=(AgentView("a", 5.0, 0.5), AgentView.abstain("b", "down")))
    table = error_table([settled, quiet, an_episode(9)], ("a", "b"), SETTINGS)
    np.testing.assert_allclose(table[0], [0.25, -0.75])
    assert table[1, 0] == pytest.approx(0.25)
    assert np.isnan(table[1, 1])
    assert np.isnan(table[2]).all()


def test_a_run_is_summed_up() -> None:
    episodes = [an_episode(i, depths={"a": 4.0, "b": -1.0}) for i in range(10)]
    report = diversity(episodes, ("a", "b"), SETTINGS)
    assert report.decisions == 10
    assert report.mean_dispersion == pytest.approx(0.25)
    assert report.turn_shares == {"a": 1.0, "b": 0.0}
    assert diversity([], ("a",), SETTINGS).mean_dispersion == 0.0
