"""`TradingVecEnv`: thousands of accounts as one vectorised environment of Stable-Baselines3."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvStepReturn

from agent_market.rl.env.batch import Observations, TradingBatch
from agent_market.rl.env.market import MarketArrays
from agent_market.rl.env.settings import EnvSettings
from agent_market.rl.env.spaces import action_space, observation_space


class TradingVecEnv(VecEnv):
    """`size` accounts that begin a new episode by themselves when one ends.

    As SB3 wants it, the info of an account whose episode ended carries `terminal_observation`,
    `TimeLimit.truncated` and `episode` (`r` the sum of rewards, `l` the candles); other infos are empty.
    One generator draws all episodes: under a seed a run repeats exactly, whatever ends when.
    """

    def __init__(
        self,
        market: MarketArrays,
        settings: EnvSettings | None = None,
        size: int = 1024,
        seed: int | None = None,
    ) -> None:
        self.batch = TradingBatch(market, settings or EnvSettings(), size)
        self.render_mode = None
        super().__init__(size, observation_space(self.batch), action_space(self.batch))
        self._rng = np.random.default_rng(seed)
        self._actions = np.zeros(size)
        self._returns = np.zeros(size)
        self._lengths = np.zeros(size, dtype=np.int64)
        self._infos: list[dict[str, Any]] = [{} for _ in range(size)]

    def reset(self) -> Observations:
        """Begin an episode in every account."""
        if self._seeds[0] is not None:
            self._rng = np.random.default_rng(self._seeds[0])
        self._reset_seeds()
        self._reset_options()
        self.batch.reset(self._rng)
        self._returns[:] = 0.0
        self._lengths[:] = 0
        return self.batch.observe()

    def step_async(self, actions: npt.ArrayLike) -> None:
        """Take (size,) or (size, 1) actions."""
        self._actions[:] = np.reshape(actions, self.num_envs)

    def step_wait(self) -> VecEnvStepReturn:
        """Observations, rewards (float32), dones and infos after one candle."""
        batch = self.batch
        batch.advance(self._actions)
        observations = batch.observe()
        rewards = batch.rewards.astype(np.float32)
        dones = batch.terminated | batch.truncated
        self._returns += batch.rewards
        self._lengths += 1
        infos = self._infos
        ended = np.flatnonzero(dones)
        if len(ended):
            infos = infos.copy()
            for i in ended:
                infos[i] = {
                    "terminal_observation": observations[i].copy(),
                    "TimeLimit.truncated": bool(batch.truncated[i]),
                    "episode": {"r": float(self._returns[i]), "l": int(self._lengths[i]), "t": 0.0},
                }
            self._returns[ended] = 0.0
            self._lengths[ended] = 0
            batch.reset(self._rng, ended)
            batch.observe(observations)
        return observations, rewards, dones, infos

    def action_masks(self) -> npt.NDArray[np.bool_]:
        """(size, actions), for MaskablePPO."""
        return self.batch.action_masks()

    def close(self) -> None:
        """Nothing is held open."""

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """The environment's own attribute, once for each account asked for."""
        return [getattr(self, attr_name)] * len(self._indices(indices))

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Accounts share everything: an attribute can be set for all of them only."""
        if len(self._indices(indices)) != self.num_envs:
            raise NotImplementedError(f"{attr_name} cannot be set for some accounts only; all share it")
        setattr(self, attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call a method that answers with one row for each account (such as `action_masks`)."""
        rows: Sequence[Any] = getattr(self, method_name)(*method_args, **method_kwargs)
        return [rows[i] for i in self._indices(indices)]

    def env_is_wrapped(
        self, wrapper_class: type[gymnasium.Wrapper], indices: VecEnvIndices = None
    ) -> list[bool]:
        """No account is wrapped in anything."""
        return [False] * len(self._indices(indices))

    def _indices(self, indices: VecEnvIndices) -> list[int]:
        return list(self._get_indices(indices))
