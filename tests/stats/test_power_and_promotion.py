"""The gate: no edge seldom passes however much is tried, a planted one passes as often as power says."""

from __future__ import annotations

import numpy as np
import pytest

from agent_market.stats.deflation import effective_trials
from agent_market.stats.power import effect_of_ic, observations_needed, power
from agent_market.stats.promotion import judge


def test_power_by_hand() -> None:
    # e sqrt(n) = 0.05 * sqrt(4000) = 3.162 against Z(0.95) = 1.645: Phi(1.517).
    assert power(0.05, 4_000) == pytest.approx(0.9354, abs=1e-3)
    # Without an edge the power is the level.
    assert power(0.0, 100) == pytest.approx(0.05)
    # Ten trials: a' = 1 - 0.95^0.1 = 0.005116, Z = 2.5679; Phi(3.162 - 2.568).
    assert power(0.05, 4_000, trials=10) == pytest.approx(0.7238, abs=1e-3)


def test_observations_needed_is_the_inverse_of_power() -> None:
    # ((1.64485 + 0.84162) / 0.05)^2 = 2473.02...
    assert observations_needed(0.05) == 2_474
    for trials in (1.0, 5.0, 30.0):
        needed = observations_needed(0.04, 0.7, trials)
        assert power(0.04, needed, trials) >= 0.7 > power(0.04, needed - 1, trials)


def test_two_noisy_views_make_an_edge_harder_to_see() -> None:
    assert effect_of_ic(0.05) == pytest.approx(0.035355, abs=1e-6)


def test_an_edge_that_is_none_needs_no_number() -> None:
    with pytest.raises(ValueError, match="positive"):
        observations_needed(0.0)


@pytest.mark.slow
def test_the_best_of_many_without_merit_is_promoted_at_most_one_time_in_twenty() -> None:
    rng = np.random.default_rng(7)
    promoted = 0
    for _ in range(60):
        table = rng.normal(size=(250, 10))
        best = table[:, table.mean(axis=0).argmax()]
        promoted += judge(best, trials=10).promoted
    # Undeflated some 24 of 60 would pass; at the level, 3 are expected with a deviation of 1.7.
    assert promoted <= 8


def test_the_luckiest_of_two_hundred_without_an_edge_does_not_pass() -> None:
    rng = np.random.default_rng(8)
    table = rng.normal(size=(150, 200))
    leader = table[:, table.mean(axis=0).argmax()]
    assert not judge(leader, trials=200).promoted


@pytest.mark.slow
def test_a_planted_edge_is_promoted_as_often_as_power_says() -> None:
    rng = np.random.default_rng(9)
    expected = power(0.08, 1_000, trials=5)
    found = sum(judge(rng.normal(0.08, 1.0, 1_000), trials=5).promoted for _ in range(60)) / 60
    assert 0.55 < expected < 0.65
    assert found == pytest.approx(expected, abs=0.2)


def edgeless_leads(count: int, moments: int, pairs: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """(count, moments * pairs) leads over cash of strategies that know nothing, and the moment of each.

    Positions persist for some ten moments; markets share half of their shocks, have fat tails, and calm and
    wild spans: what makes a plain t-test believe too much.
    """
    rng = np.random.default_rng(12)
    wild = np.exp(0.8 * np.sin(np.arange(moments) / 40.0))[:, None]
    shocks = rng.standard_t(5, (moments, pairs + 1))
    returns = wild * (shocks[:, :1] + shocks[:, 1:])
    leads = []
    for _ in range(count):
        position = rng.normal(size=(moments, pairs))
        for t in range(1, moments):
            position[t] = 0.9 * position[t - 1] + np.sqrt(1 - 0.81) * position[t]
        leads.append((np.tanh(position) * returns).ravel())
    return np.array(leads), np.repeat(np.arange(moments), pairs)


@pytest.mark.slow
def test_of_two_hundred_strategies_without_an_edge_at_most_one_in_twenty_pass() -> None:
    leads, moments = edgeless_leads(200, 400)
    # Each as if it had been the only one that was tried: the level of the test itself.
    alone = [judge(lead, 1, moments) for lead in leads]
    passed = [i for i, verdict in enumerate(alone) if verdict.promoted]
    assert len(passed) <= 10
    # As they come: 200 were tried, and the ledger says so. Deflation only takes away.
    trials = effective_trials(leads.T, 200)
    assert trials > 150
    assert sum(judge(leads[i], trials, moments).promoted for i in passed) == 0


@pytest.mark.slow
def test_a_planted_ic_of_a_twentieth_is_found_as_often_as_power_says() -> None:
    """Twenty tried; 80% power needs some 5,300 decisions: 15 months of five pairs twice a day, were they
    independent."""
    count = observations_needed(0.05, 0.8, trials=20)
    assert 5_000 < count < 5_700
    rng = np.random.default_rng(13)
    found = 0
    for _ in range(30):
        position = rng.normal(size=count)
        returns = 0.05 * position + np.sqrt(1 - 0.05**2) * rng.normal(size=count)
        found += judge(position * returns, trials=20).promoted
    # 24 expected, with a deviation of 2.2.
    assert 18 <= found <= 30


def test_a_loss_is_never_promoted_and_the_reason_says_by_how_much() -> None:
    verdict = judge(np.random.default_rng(10).normal(-0.1, 1.0, 400), trials=3)
    assert not verdict.promoted
    assert "after 3.0 effective trials: not at or below 0.05" in verdict.reason


def test_a_clear_lead_is_promoted() -> None:
    verdict = judge(np.random.default_rng(11).normal(0.3, 1.0, 1_000), trials=20)
    assert verdict.promoted
    assert verdict.deflated_p == pytest.approx(1 - (1 - verdict.test.p_value) ** 20)
    assert verdict.deflated_sharpe > 0.95
