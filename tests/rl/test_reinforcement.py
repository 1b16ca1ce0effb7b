from __future__ import annotations

import numpy as np
import pytest

from tests.helpers.panels import a_panel

pytest.importorskip("stable_baselines3")

from stable_baselines3.common.vec_env import VecCheckNan

from agent_market.config import DecisionSettings
from agent_market.decision.trainers.base import dataset_of
from agent_market.decision.trainers.gate import earned
from agent_market.rl.reinforcement import Decisions, ReinforcementSettings, ReinforcementTrainer, held_by

QUICK = ReinforcementSettings(steps=2_048, accounts=16, episode=32, minibatch=256, hidden=16, device="cpu")


def a_problem(moments: int = 120, seed: int = 0):
    panel = a_panel(moments, pairs=2, seed=seed, skill=0.6)
    awake = panel.awake.astype(float)
    return dataset_of(panel, awake / np.maximum(awake.sum(-1, keepdims=True), 1), 0.0005, DecisionSettings())


def test_weights_are_a_softmax_over_those_awake_and_nobody_awake_is_flat() -> None:
    awake = np.array([[True, True, False], [False, False, False]])
    depth = np.array([[1.0, -1.0, 0.0], [0.0, 0.0, 0.0]], dtype=np.float32)
    held = held_by(np.array([[0.2, 0.0, 1.0], [1.0, 1.0, 1.0]]), awake, depth, "weights")
    assert held == pytest.approx([np.tanh(0.5), 0.0])  # logits 1 and 0
    assert held_by(np.array([[0.4], [-3.0]]), awake, depth, "target") == pytest.approx([0.4, -1.0])


def test_an_account_is_paid_what_the_gate_counts() -> None:
    problem = a_problem(20)
    settings = QUICK.model_copy(update={"accounts": 40, "episode": 20})
    env = VecCheckNan(Decisions(problem, settings, 1), raise_exception=True)
    env.reset()
    pairs = env.unwrapped._pair.copy()
    wanted = np.random.default_rng(0).uniform(-1, 1, 20)
    paid = np.array([env.step(np.full((40, 1), w))[1] for w in wanted])
    expected = earned(problem, np.repeat(wanted[:, None], 2, axis=1))
    assert paid == pytest.approx(expected[:, pairs], abs=1e-5)


@pytest.mark.parametrize("algorithm", ["ppo", "ddpg", "td3", "sac"])
def test_every_algorithm_trains_and_repeats_under_a_seed(algorithm) -> None:
    settings = QUICK.model_copy(update={"algorithm": algorithm, "steps": 1_024})
    train, later = a_problem(), a_problem(40, seed=1)
    one, two = (ReinforcementTrainer(settings).fit(train, later, 5).positions(later) for _ in range(2))
    assert (one == two).all()
    assert np.abs(one).max() <= 1.0


def test_ppo_weights_experts_too_and_reads_no_future() -> None:
    settings = QUICK.model_copy(update={"output": "weights"})
    problem = a_problem()
    policy = ReinforcementTrainer(settings).fit(problem, a_problem(40, seed=1), 5)
    whole = policy.positions(problem)
    assert policy.positions(problem.rows(slice(50))) == pytest.approx(whole[:50], abs=1e-6)
