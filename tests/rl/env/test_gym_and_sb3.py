"""What gymnasium and Stable-Baselines3 expect of an environment."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env as gymnasium_check
from sb3_contrib import MaskablePPO
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.env_checker import check_env as sb3_check

from agent_market.errors import ConfigError
from agent_market.rl.env.settings import Actions, EnvSettings
from agent_market.rl.env.single import TradingEnv
from agent_market.rl.env.vector import TradingVecEnv
from tests.helpers.env_markets import random_market

ACTIONS: tuple[Actions, ...] = ("sides", "orders", "grades", "target")


@pytest.mark.parametrize("actions", ACTIONS)
@pytest.mark.filterwarnings("ignore:.*Box observation space (min|max)imum value is .?infinity")
@pytest.mark.filterwarnings("error")
def test_the_checkers_of_gymnasium_and_sb3_pass(actions: Actions) -> None:
    env = TradingEnv(random_market(0), EnvSettings(actions=actions, window=3, episode_candles=50))
    gymnasium_check(env, skip_render_check=True)
    sb3_check(env)


def test_an_episode_is_the_same_under_the_same_seed() -> None:
    runs = []
    for _ in range(2):
        env = TradingEnv(random_market(0), EnvSettings(episode_candles=50))
        observations = [env.reset(seed=5)[0]]
        rng = np.random.default_rng(1)
        done = False
        while not done:
            observation, _, terminated, truncated, _ = env.step(rng.integers(3))
            observations.append(observation)
            done = terminated or truncated
        runs.append(np.array(observations))
    np.testing.assert_array_equal(*runs)


def test_an_episode_can_be_asked_to_start_at_a_row() -> None:
    env = TradingEnv(random_market(0), EnvSettings(episode_candles=50))
    assert env.reset(options={"start": 17})[1]["row"] == 17
    with pytest.raises(ConfigError):
        env.reset(options={"start": 399})


def test_observations_are_not_written_over() -> None:
    env = TradingVecEnv(random_market(0), EnvSettings(), size=4, seed=0)
    first = env.reset()
    kept = first.copy()
    env.step(np.full(4, 2))
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize("actions", ACTIONS)
def test_the_vectorised_accounts_are_single_environments_that_begin_again(actions: Actions) -> None:
    arrays, chosen = random_market(2), EnvSettings(actions=actions, can_short=True, episode_candles=9)
    vector = TradingVecEnv(arrays, chosen, size=5, seed=3)
    seen = vector.reset()
    singles = [TradingEnv(arrays, chosen) for _ in range(5)]
    rows = vector.batch.accounts["row"]
    for single, row, observation in zip(singles, rows, seen, strict=True):
        np.testing.assert_array_equal(single.reset(options={"start": int(row)})[0], observation)
    rng = np.random.default_rng(0)
    for _ in range(30):
        chosen_actions = np.array([vector.action_space.sample() for _ in range(5)]).reshape(5, -1)
        if actions != "target":
            chosen_actions = rng.integers(vector.action_space.n, size=5)  # type: ignore[attr-defined]
        seen, rewards, dones, infos = vector.step(chosen_actions)
        for i, single in enumerate(singles):
            observation, reward, terminated, truncated, _ = single.step(chosen_actions[i])
            assert rewards[i] == np.float32(reward)
            assert dones[i] == (terminated or truncated)
            if dones[i]:
                np.testing.assert_array_equal(infos[i]["terminal_observation"], observation)
                assert infos[i]["TimeLimit.truncated"] == truncated
                assert infos[i]["episode"]["l"] == 9
                start = int(vector.batch.accounts["row"][i])
                observation, _ = single.reset(options={"start": start})
            else:
                assert infos[i] == {}
            np.testing.assert_array_equal(seen[i], observation)


def trained_weights(seed: int) -> np.ndarray:
    env = TradingVecEnv(random_market(0), EnvSettings(can_short=True, episode_candles=50), size=16)
    model = PPO("MlpPolicy", env, n_steps=16, batch_size=128, n_epochs=2, seed=seed, device="cpu")
    model.learn(512)
    return np.concatenate([p.detach().numpy().ravel() for p in model.policy.parameters()])


def test_training_repeats_exactly_under_a_seed() -> None:
    np.testing.assert_array_equal(trained_weights(1), trained_weights(1))
    assert not np.array_equal(trained_weights(1), trained_weights(2))


def test_masked_and_off_policy_algorithms_train() -> None:
    orders = TradingVecEnv(random_market(0), EnvSettings(actions="orders", can_short=True), size=8)
    masked = MaskablePPO("MlpPolicy", orders, n_steps=8, batch_size=64, n_epochs=1, seed=0, device="cpu")
    masked.learn(128)
    target = TradingVecEnv(random_market(0), EnvSettings(actions="target", episode_candles=20), size=8)
    off_policy = SAC("MlpPolicy", target, learning_starts=64, batch_size=32, seed=0, device="cpu")
    off_policy.learn(160)
    assert off_policy.replay_buffer is not None
    assert off_policy.replay_buffer.size() == 20


def test_ppo_finds_an_edge_that_the_features_tell() -> None:
    """The sign of the next return is a feature: a market that can be learned is learned."""
    arrays = random_market(5)
    gains = arrays.candles["close"][1:] / arrays.candles["open"][1:] - 1.0
    arrays.features[:-1, 0] = np.sign(gains)
    settings = EnvSettings(can_short=True, fee=0.0, slippage=0.0, episode_candles=100)
    env = TradingVecEnv(arrays, settings, size=32, seed=0)
    model = PPO("MlpPolicy", env, n_steps=32, batch_size=256, n_epochs=4, gamma=0.0, seed=0, device="cpu")
    model.learn(30_000)
    single = TradingEnv(arrays, settings.model_copy(update={"episode_candles": None}))
    observation, info = single.reset()
    done = False
    while not done:
        action, _ = model.predict(observation, deterministic=True)
        observation, _, terminated, truncated, info = single.step(action)
        done = terminated or truncated
    best = 1000.0 * np.prod(1.0 + 0.95 * np.abs(gains))
    assert np.log(info["equity"] / 1000.0) > 0.7 * np.log(best / 1000.0)
