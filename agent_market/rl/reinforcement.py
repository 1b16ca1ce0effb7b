"""PPO, DDPG, TD3 and SAC of Stable-Baselines3 on the same problem: to compare, and for what has no gradient.

The environment is the problem itself: an account walks a stretch of decisions of one pair, sees what a policy
may see and what it holds, and is paid what `gate.earned` counts.  (`rl.env` trades candles to the cent;
here a step is a decision.)  On logged decisions of a price taker the pathwise trainer needs far less.
"""

from __future__ import annotations

import io
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from gymnasium import spaces
from pydantic import Field
from stable_baselines3 import DDPG, PPO, SAC, TD3
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecEnv

from agent_market.config import Settings
from agent_market.decision.trainers.base import DecisionDataset, device_of, one_thread
from agent_market.decision.trainers.gate import earned
from agent_market.utils.arrays import Floats

Algorithm = Literal["ppo", "ddpg", "td3", "sac"]
Output = Literal["weights", "target"]

_MOST_LOGIT = 5.0


class ReinforcementSettings(Settings):
    """How the reinforcement trainers learn."""

    algorithm: Algorithm = "ppo"
    """Which algorithm of Stable-Baselines3."""
    output: Output = "target"
    """What an action is: weights of the experts (softmax of it over those awake), or the depth itself."""
    steps: int = Field(default=200_000, ge=1)
    """Decisions to learn from in all."""
    accounts: int = Field(default=256, ge=1)
    """Accounts that walk at once."""
    episode: int = Field(default=64, ge=2)
    """Decisions in one episode."""
    minibatch: int = Field(default=4096, ge=1)
    """Decisions in one step of the optimiser; large ones are about 20 times as fast here."""
    passes: int = Field(default=4, ge=1)
    """PPO's passes over what was gathered."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """Step size."""
    hidden: int = Field(default=64, ge=1)
    """Width of the two hidden layers."""
    device: str = "auto"
    """`auto` (CUDA where there is a device), `cpu` or `cuda`."""


class Decisions(VecEnv):
    """Accounts that walk a problem; vectorised, seeded, and episodes begin anew by themselves."""

    def __init__(self, problem: DecisionDataset, settings: ReinforcementSettings, seed: int) -> None:
        self._problem = problem
        self._settings = settings
        self._seen = observations(problem)
        self._length = min(settings.episode, len(problem))
        self._rng = np.random.default_rng(seed)
        self.render_mode = None
        width = problem.depth.shape[2] if settings.output == "weights" else 1
        super().__init__(
            settings.accounts,
            spaces.Box(-np.inf, np.inf, (self._seen.shape[-1] + 1,), np.float32),
            spaces.Box(-1.0, 1.0, (width,), np.float32),
        )
        self._row, self._pair, self._left = (np.zeros(settings.accounts, dtype=np.int64) for _ in range(3))
        self._held = np.zeros(settings.accounts)
        self._actions = np.zeros((settings.accounts, width))

    def reset(self) -> npt.NDArray[np.float32]:
        self._begin(np.arange(self.num_envs))
        return self._observe()

    def step_async(self, actions: npt.NDArray[Any]) -> None:
        self._actions = actions

    def step_wait(self) -> Any:
        p = self._problem
        at = (self._row, self._pair)
        position = held_by(self._actions, p.awake[at], p.depth[at], self._settings.output)
        reward = p.gain[at] * position - p.cost[at] * np.abs(position - self._held)
        self._held = position
        self._row += 1
        self._left -= 1
        done = self._left == 0
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        ended = np.flatnonzero(done)
        if len(ended):
            # An episode is cut, not over: its last state still has a value.
            self._row[ended] = np.minimum(self._row[ended], len(p) - 1)
            last = self._observe()
            for i in ended:
                infos[i] = {"terminal_observation": last[i], "TimeLimit.truncated": True}
            self._begin(ended)
        return self._observe(), reward.astype(np.float32), done, infos

    def close(self) -> None:
        """Nothing is held open."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        return [getattr(self, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        setattr(self, attr_name, value)

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        raise NotImplementedError(f"{method_name}: accounts are arrays and have no methods of their own")

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        return [False] * len(list(self._get_indices(indices)))

    def _begin(self, which: npt.NDArray[np.int64]) -> None:
        self._row[which] = self._rng.integers(0, len(self._problem) - self._length + 1, len(which))
        self._pair[which] = self._rng.integers(0, self._problem.gain.shape[1], len(which))
        self._left[which] = self._length
        self._held[which] = 0.0

    def _observe(self) -> npt.NDArray[np.float32]:
        seen = self._seen[self._row, self._pair]
        return np.concatenate([seen, self._held[:, None]], axis=1).astype(np.float32)


def observations(problem: DecisionDataset) -> npt.NDArray[np.float32]:
    """(T, P, F) what an account sees beside what it holds: vectors, depths, prior's depth, market state."""
    rows = problem.gain.shape
    anchor = (problem.prior * problem.depth).sum(-1, keepdims=True)
    parts = (problem.vectors.reshape(*rows, -1), problem.depth, anchor, problem.state)
    return np.concatenate(parts, axis=-1).astype(np.float32)


def held_by(
    actions: npt.NDArray[Any], awake: npt.NDArray[np.bool_], depth: npt.NDArray[np.float32], output: Output
) -> Floats:
    """(B,) positions that actions (B, A) in [-1, 1] ask for."""
    if output == "target":
        return np.clip(actions[:, 0], -1.0, 1.0).astype(np.float64)
    scores = np.where(awake, _MOST_LOGIT * actions, -np.inf)
    nobody = ~awake.any(axis=1)
    scores[nobody] = 0.0
    raw = np.exp(scores - scores.max(axis=1, keepdims=True))
    weights = raw / raw.sum(axis=1, keepdims=True)
    return np.where(nobody, 0.0, (weights * depth).sum(axis=1)).astype(np.float64)


class ReinforcementPolicy:
    """What an algorithm has learned, acting without noise."""

    def __init__(self, model: BaseAlgorithm, output: Output) -> None:
        self._model = model
        self._output: Output = output

    def positions(self, problem: DecisionDataset) -> Floats:
        """See `Policy.positions`."""
        seen = observations(problem)
        held = np.zeros(problem.gain.shape[1])
        path = np.zeros(problem.gain.shape)
        with one_thread():
            for t in range(len(problem)):
                state = np.concatenate([seen[t], held[:, None]], axis=1).astype(np.float32)
                actions, _ = self._model.predict(state, deterministic=True)
                held = path[t] = held_by(actions, problem.awake[t], problem.depth[t], self._output)
        return path


class ReinforcementTrainer:
    """See `Trainer`; keeps what did best on the later span."""

    def __init__(self, settings: ReinforcementSettings | None = None) -> None:
        self.settings = settings or ReinforcementSettings()

    def fit(self, train: DecisionDataset, later: DecisionDataset, seed: int) -> ReinforcementPolicy:
        """See `Trainer.fit`."""
        with one_thread(), torch.random.fork_rng(devices=[]):
            world = Decisions(train, self.settings, seed)
            model = self._algorithm(world, seed)
            keeper = _KeepBest(ReinforcementPolicy(model, self.settings.output), later, self._every())
            model.learn(self.settings.steps, callback=keeper)
            keeper.restore()
        return ReinforcementPolicy(model, self.settings.output)

    def _every(self) -> int:
        """Steps of all accounts between two looks at the later span."""
        return max(1, self.settings.steps // self.settings.accounts // 10)

    def _algorithm(self, world: VecEnv, seed: int) -> BaseAlgorithm:
        s = self.settings
        common: dict[str, Any] = {
            "learning_rate": s.learning_rate,
            "policy_kwargs": {"net_arch": [s.hidden, s.hidden]},
            "seed": seed,
            "device": device_of(s.device),
            # Rewards beyond an episode's edge matter little: positions are cheap to change.
            "gamma": 0.9,
        }
        if s.algorithm == "ppo":
            size = min(s.minibatch, s.episode * s.accounts)
            return PPO("MlpPolicy", world, n_steps=s.episode, batch_size=size, n_epochs=s.passes, **common)
        off_policy = {"ddpg": DDPG, "td3": TD3, "sac": SAC}[s.algorithm]
        return off_policy(
            "MlpPolicy",
            world,
            batch_size=s.minibatch,
            buffer_size=200_000,
            learning_starts=s.accounts * 8,
            train_freq=8,
            gradient_steps=s.passes,
            **common,
        )


class _KeepBest(BaseCallback):
    """Remembers the weights that earned most on the later span."""

    def __init__(self, policy: ReinforcementPolicy, later: DecisionDataset, every: int) -> None:
        super().__init__()
        self._policy = policy
        self._later = later
        self._every = every
        self._best = -np.inf
        self._kept: bytes | None = None

    def _on_step(self) -> bool:
        if self.n_calls % self._every == 0:
            self._look()
        return True

    def _on_training_end(self) -> None:
        self._look()

    def _look(self) -> None:
        value = float(earned(self._later, self._policy.positions(self._later)).mean())
        if value > self._best:
            self._best = value
            stream = io.BytesIO()
            torch.save(self.model.policy.state_dict(), stream)
            self._kept = stream.getvalue()

    def restore(self) -> None:
        """Put the best weights back."""
        if self._kept is not None:
            state = torch.load(io.BytesIO(self._kept), weights_only=True, map_location=self.model.device)
            self.model.policy.load_state_dict(state)
