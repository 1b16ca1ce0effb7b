"""Each algorithm against its formula, worked out by hand on a few steps."""

from __future__ import annotations

import math

import numpy as np
import pytest

from agent_market.decision.experts.exponential import AdaHedge, FixedShare
from agent_market.decision.experts.newton import OnlineNewton, project_to_simplex
from agent_market.decision.experts.second_order import BOA, MLPoly
from agent_market.decision.experts.simple import FollowTheLeader, Majority, Uniform
from agent_market.decision.hedge import Hedge

TWO = ("bull", "bear")
AWAKE = {"bull": 5.0, "bear": -5.0}
EQUAL = {"bull": 0.5, "bear": 0.5}


def test_uniform_never_changes() -> None:
    weighting = Uniform(TWO)
    weighting.learn({"bull": 1.0, "bear": -1.0}, EQUAL)
    assert weighting.weights(AWAKE) == EQUAL


def test_the_majority_side_shares_all_weight() -> None:
    weighting = Majority(("a", "b", "c", "d"))
    assert weighting.weights({"a": 3.0, "b": 1.0, "c": -9.0}) == {"a": 0.5, "b": 0.5, "c": 0.0, "d": 0.0}


def test_tied_sides_share_and_flat_is_a_side() -> None:
    weighting = Majority(("a", "b", "c", "d", "e"))
    shares = weighting.weights({"a": 3.0, "b": 1.0, "c": -9.0, "d": -1.0, "e": 0.0})
    assert shares == {"a": 0.25, "b": 0.25, "c": 0.25, "d": 0.25, "e": 0.0}
    assert weighting.weights({"a": 0.0, "b": 0.0, "c": 7.0})["c"] == 0.0


def test_the_leader_has_all_weight_and_ties_share() -> None:
    weighting = FollowTheLeader(TWO)
    assert weighting.weights(AWAKE) == EQUAL
    weighting.learn({"bull": 0.1, "bear": 0.3}, EQUAL)
    assert weighting.weights(AWAKE) == {"bull": 0.0, "bear": 1.0}
    assert weighting.weights({"bull": 5.0}) == {"bull": 1.0, "bear": 0.0}
    weighting.learn({"bull": 0.2, "bear": 0.0}, EQUAL)
    assert weighting.weights(AWAKE) == EQUAL


def test_adahedge_two_steps_by_hand() -> None:
    weighting = AdaHedge(TWO)
    # Step 1: losses 0 and 1, weights 1/2 each: h = 0.5. The rate is infinite, so m = the least loss = 0.
    weighting.learn({"bull": 1.0, "bear": -1.0}, EQUAL)
    assert weighting.gap == pytest.approx(0.5)
    eta = math.log(2) / 0.5
    bull = 1 / (1 + math.exp(-eta))
    assert bull == pytest.approx(0.8)  # exp(-2 ln 2) = 1/4
    assert weighting.weights(AWAKE)["bull"] == pytest.approx(0.8)
    # Step 2: losses 1 and 0: h = 0.8, m = -ln(0.8 / 4 + 0.2) / eta = -ln(0.4) / (2 ln 2)
    weighting.learn({"bull": -1.0, "bear": 1.0}, EQUAL)
    mixed = -math.log(0.4) / (2 * math.log(2))
    assert weighting.gap == pytest.approx(0.5 + 0.8 - mixed)
    assert weighting.weights(AWAKE) == pytest.approx(EQUAL)


def test_adahedge_meets_its_regret_bound_on_random_rewards() -> None:
    rng = np.random.default_rng(3)
    names = tuple("abcdef")
    rewards = np.clip(rng.normal([0.05, 0, 0, 0, 0, 0], 0.3, (2_000, 6)), -1, 1)
    weighting, made = AdaHedge(names), 0.0
    for row in rewards:
        given = dict(zip(names, row, strict=True))
        shares = weighting.weights(dict.fromkeys(names, 1.0))
        made += sum(shares[n] * given[n] for n in names) / 2
        weighting.learn(given, shares)
    regret = rewards.sum(axis=0).max() / 2 - made
    steps, log_n = len(rewards), math.log(6)
    # Theorem 8 of de Rooij et al. 2014 for losses in [0, 1].
    assert regret <= math.sqrt(steps * log_n) + 16 / 3 * log_n + 2
    assert shares["a"] == max(shares.values())


def test_fixed_share_one_step_by_hand() -> None:
    weighting = FixedShare(TWO, share=0.1)
    eta = math.sqrt(8 * 0.1 * math.log(2))
    weighting.learn({"bull": 1.0, "bear": -1.0}, EQUAL)
    shifted = math.exp(eta) / (math.exp(eta) + 1.0)
    assert weighting.weights(AWAKE)["bull"] == pytest.approx(0.9 * shifted + 0.05)


def test_fixed_share_follows_a_change_of_leader_that_hedge_sleeps_through() -> None:
    share, hedge = FixedShare(TWO), Hedge(TWO)
    for step in range(600):
        sign = 1.0 if step < 400 else -1.0
        for weighting in (share, hedge):
            weighting.learn({"bull": 0.5 * sign, "bear": -0.5 * sign}, EQUAL)
    assert share.weights(AWAKE)["bear"] > 0.9
    assert hedge.weights(AWAKE)["bear"] < 0.5


def test_ml_poly_two_steps_by_hand() -> None:
    weighting = MLPoly(("a", "b", "c"))
    third = dict.fromkeys("abc", 1 / 3)
    awake = dict.fromkeys("abc", 1.0)
    assert weighting.weights(awake) == pytest.approx(third)
    # The algorithm made 0.2, so the regrets are 0.4, 0 and -0.4.
    weighting.learn({"a": 1.0, "b": 0.2, "c": -0.6}, third)
    assert weighting.weights(awake) == pytest.approx({"a": 1.0, "b": 0.0, "c": 0.0})
    # own = -0.2 (all on a); regrets (0, 0.3, 0.1): R = (0.4, 0.3, -0.3), V = (0.16, 0.09, 0.17)
    weighting.learn({"a": -0.2, "b": 0.4, "c": 0.0}, {"a": 1.0})
    mass = {"a": 0.4 / 1.16, "b": 0.3 / 1.09}
    expected = {name: value / sum(mass.values()) for name, value in mass.items()}
    assert weighting.weights(awake) == pytest.approx({**expected, "c": 0.0})


def test_boa_one_step_by_hand() -> None:
    weighting = BOA(TWO)
    # own = 0.1; regrets (+0.25, -0.25); E = 0.25, V = 0.0625: eta = min(2, sqrt(ln 2 / 0.0625)) = 2
    weighting.learn({"bull": 0.6, "bear": -0.4}, EQUAL)
    eta = 2.0
    # eta r = 0.5 is not above 1/2: nothing is added.
    bull, bear = 0.5 * (0.25 - eta * 0.0625), 0.5 * (-0.25 - eta * 0.0625)
    raw = math.exp(eta * bull), math.exp(eta * bear)
    assert weighting.weights(AWAKE)["bull"] == pytest.approx(raw[0] / sum(raw))


def test_newton_one_step_by_hand() -> None:
    weighting = OnlineNewton(TWO, gamma=1.0, ridge=1.0)
    # bets (0.2, -0.2), w . bets = 0, g = (-0.2, 0.2), A = I + g g', A^-1 g = g / (1 + 0.08)
    weighting.learn({"bull": 0.4, "bear": -0.4}, EQUAL)
    # y = (0.5 + 0.2 / 1.08, 0.5 - 0.2 / 1.08) sums to 1 and lies inside the simplex
    assert weighting.weights(AWAKE)["bull"] == pytest.approx(0.5 + 0.2 / 1.08, abs=1e-7)


def test_the_projection_is_the_nearest_point_of_the_simplex() -> None:
    rng = np.random.default_rng(11)
    for _ in range(20):
        root = rng.normal(size=(5, 5))
        metric, point = root @ root.T + 0.1 * np.eye(5), rng.normal(size=5)
        found = project_to_simplex(point, metric)
        assert found.min() >= 0.0
        assert found.sum() == pytest.approx(1.0, abs=1e-12)
        gradient = metric @ (found - point)
        # First-order condition: no direction inside the simplex goes down.
        assert (gradient - gradient @ found).min() >= -1e-5 * np.abs(gradient).max()


def test_newton_finds_the_only_expert_that_earns() -> None:
    rng = np.random.default_rng(5)
    weighting = OnlineNewton(("a", "b", "c"))
    for row in rng.normal([0.1, 0.0, 0.0], 0.2, (1_500, 3)):
        weighting.learn(dict(zip("abc", np.clip(row, -1, 1), strict=True)), dict.fromkeys("abc", 1 / 3))
    assert weighting.weights(dict.fromkeys("abc", 1.0))["a"] > 0.9
