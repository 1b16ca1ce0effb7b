"""A policy of Stable-Baselines3 as a model: it learns which position to hold on each row, costs included.

The environment is the rows themselves: a position is held over a row and earns position x label, less `cost`
for each unit by which the position changed.  Labels are what a position of 1 would have earned
(`LabelSettings(kind="reward")`). For money to the cent there is `rl.env`; this is the same problem on
any dataset.
"""

from __future__ import annotations

import io
import math
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from gymnasium import spaces
from pydantic import Field
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from agent_market.config import Settings
from agent_market.decision.trainers.base import one_thread
from agent_market.rl.best_model_callback import KeepBest
from agent_market.training.metrics import gained
from agent_market.training.models.base import BaseModelAdapter, Progress
from agent_market.training.models.samples import Samples
from agent_market.utils.arrays import Floats, Ints

ALGORITHMS: dict[str, type[BaseAlgorithm]] = {"ppo": PPO, "a2c": A2C, "dqn": DQN}
_JUDGEMENTS = 10


class PolicySettings(Settings):
    """How a policy learns."""

    algorithm: Literal["ppo", "a2c", "dqn"] = "ppo"
    """Which algorithm of Stable-Baselines3."""
    steps: int = Field(default=100_000, ge=1)
    """Rows to act on in all."""
    accounts: int = Field(default=64, ge=1)
    """Accounts that walk at once."""
    episode: int = Field(default=64, ge=2)
    """Rows of one episode."""
    minibatch: int = Field(default=2048, ge=2)
    """Rows in one step of the optimiser (PPO, DQN)."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """Step size."""
    hidden: int = Field(default=64, ge=1)
    """Width of the two hidden layers."""
    cost: float = Field(default=0.0012, ge=0, lt=0.1)
    """Paid for each unit of change of the position: fee and slippage."""
    can_short: bool = False
    """Whether the position may be -1."""
    reward_scale: float = Field(default=100.0, gt=0)
    """Rewards are multiplied by this; at 100 a return is in per cent."""
    device: str = Field(default="cpu", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    """Where the net learns; small ones are fastest on the `cpu`."""
    seed: int = Field(default=7, ge=0)
    """Seed of net, episodes and actions."""


class PolicyAdapter(BaseModelAdapter[PolicySettings]):
    """PPO, A2C or DQN; the prediction is a position, played from flat at the first row of each group."""

    name: ClassVar[str] = "policy"
    settings_type = PolicySettings
    tasks = ("policy",)
    incremental = True

    def __init__(self, settings: PolicySettings | None = None, task: Any = "policy") -> None:
        super().__init__(settings, task)
        self._model: BaseAlgorithm | None = None
        self._mean: Floats = np.zeros(0)
        self._std: Floats = np.zeros(0)

    def _fit(self, train: Samples, validation: Samples | None, warm: bool, progress: Progress | None) -> None:
        s = self.settings
        mean, std = (self._mean, self._std) if warm else _scale(train)
        rows = Rows(train, mean, std, s)
        with one_thread(), torch.random.fork_rng(devices=[]):
            if warm and self._model is not None:
                model = type(self._model).load(io.BytesIO(self._archive()), env=rows, device=s.device)
            else:
                model = self._new(rows)
            later = Rows(validation, mean, std, s) if validation is not None else None
            best = _BestLater(later, max(s.steps // _JUDGEMENTS, 1), progress) if later is not None else None
            model.learn(total_timesteps=s.steps, callback=best)
        self._model, self._mean, self._std = model, mean, std

    def _new(self, rows: Rows) -> BaseAlgorithm:
        s = self.settings
        common: dict[str, Any] = {
            "learning_rate": s.learning_rate,
            "policy_kwargs": {"net_arch": [s.hidden, s.hidden]},
            "device": s.device,
            "seed": s.seed,
        }
        if s.algorithm == "dqn":
            return DQN("MlpPolicy", rows, batch_size=s.minibatch, learning_starts=s.minibatch, **common)
        if s.algorithm == "a2c":
            return A2C("MlpPolicy", rows, n_steps=16, **common)
        steps = max(math.ceil(s.minibatch / s.accounts), 2)
        return PPO("MlpPolicy", rows, n_steps=steps, batch_size=s.minibatch, n_epochs=4, gamma=0.9, **common)

    def _outputs(self, features: Floats, groups: Ints | None) -> Floats:
        scaled = ((features - self._mean) / self._std).astype(np.float32)
        assert self._model is not None
        with one_thread():
            return walked(self._model, scaled, groups, self.settings.can_short)

    def _archive(self) -> bytes:
        assert self._model is not None
        packed = io.BytesIO()
        self._model.save(packed, exclude=["env", "rollout_buffer", "replay_buffer"])
        return packed.getvalue()

    def _body(self) -> bytes:
        packed = io.BytesIO()
        archive = np.frombuffer(self._archive(), dtype=np.uint8)
        np.savez(packed, archive=archive, mean=self._mean, std=self._std)
        return packed.getvalue()

    def _restore(self, body: bytes) -> None:
        held = np.load(io.BytesIO(body))
        self._mean, self._std = held["mean"], held["std"]
        archive = io.BytesIO(held["archive"].tobytes())
        self._model = ALGORITHMS[self.settings.algorithm].load(archive, device=self.settings.device)


class Rows(VecEnv):
    """Accounts that walk stretches of rows of one group; see the module for what a step pays."""

    def __init__(self, samples: Samples, mean: Floats, std: Floats, settings: PolicySettings) -> None:
        self.features = ((samples.features - mean) / std).astype(np.float32)
        self.labels, self.groups = samples.labels, samples.groups
        self._settings = settings
        self._order, self._starts, self._length = episodes(samples.groups, len(samples), settings.episode)
        width = self.features.shape[1] + 1
        space = spaces.Box(-np.inf, np.inf, (width,), np.float32)
        super().__init__(settings.accounts, space, spaces.Discrete(3 if settings.can_short else 2))
        self._random = np.random.default_rng(settings.seed)
        self._at = np.zeros(self.num_envs, dtype=np.int64)
        self._left = np.zeros(self.num_envs, dtype=np.int64)
        self._position = np.zeros(self.num_envs)
        self._actions = np.zeros(self.num_envs)

    def reset(self) -> np.ndarray:
        self._begin(np.arange(self.num_envs))
        return self._seen()

    def step_async(self, actions: np.ndarray) -> None:
        self._actions = positions_of(actions, self._settings.can_short)

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        row = self._order[self._at]
        earned = self._actions * self.labels[row]
        earned -= self._settings.cost * np.abs(self._actions - self._position)
        self._position = self._actions
        self._at, self._left = self._at + 1, self._left - 1
        done = self._left <= 0
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        ended = np.flatnonzero(done)
        if len(ended):
            # An episode is cut off, not over: what would have been seen next is worth something.
            last = self._seen(clip=True)
            for account in ended:
                infos[account] = {"TimeLimit.truncated": True, "terminal_observation": last[account]}
            self._begin(ended)
        return self._seen(), (earned * self._settings.reward_scale).astype(np.float32), done, infos

    def _begin(self, accounts: Ints) -> None:
        self._at[accounts] = self._random.choice(self._starts, len(accounts))
        self._left[accounts] = self._length
        self._position[accounts] = 0.0

    def _seen(self, clip: bool = False) -> np.ndarray:
        at = np.minimum(self._at, len(self._order) - 1) if clip else self._at
        return np.column_stack([self.features[self._order[at]], self._position]).astype(np.float32)

    def seed(self, seed: int | None = None) -> list[int | None]:
        self._random = np.random.default_rng(self._settings.seed if seed is None else seed)
        return [seed] * self.num_envs

    def close(self) -> None:
        pass

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        return [getattr(self, attr_name, None)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        setattr(self, attr_name, value)

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        return [getattr(self, method_name)(*args, **kwargs)]

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        return [False] * self.num_envs


class _BestLater(KeepBest):
    """Play the later rows now and then; in the end, give the policy the weights that earned most there."""

    def __init__(self, later: Rows, every: int, progress: Progress | None) -> None:
        super().__init__(every)
        self._later, self._progress, self._judged = later, progress, 0

    def worth(self) -> float:
        later, settings = self._later, self._later._settings
        positions = walked(self.model, later.features, later.groups, settings.can_short)
        earned = float(gained(positions, later.labels, later.groups, settings.cost).mean())
        self._judged += 1
        if self._progress is not None:
            self._progress(self._judged, -earned)
        return earned


def episodes(groups: Ints | None, rows: int, length: int) -> tuple[Ints, Ints, int]:
    """Rows ordered by group, the places in that order from which an episode stays in its group, and how long
    one is: no longer than the largest group.
    """
    known = np.zeros(rows, dtype=np.int64) if groups is None else groups
    order = np.argsort(known, kind="stable")
    sizes = np.unique(known, return_counts=True)[1]
    ends = np.cumsum(sizes)
    fitting = min(length, int(sizes.max()))
    starts = [
        np.arange(end - size, end - fitting + 1)
        for end, size in zip(ends, sizes, strict=True)
        if size >= fitting
    ]
    return order, np.concatenate(starts), fitting


def positions_of(actions: Any, can_short: bool) -> Floats:
    """Actions 0, 1 (flat, long) or 0, 1, 2 (short, flat, long) as positions."""
    positions: Floats = np.asarray(actions, dtype=np.float64) - float(can_short)
    return positions


def walked(model: BaseAlgorithm, features: np.ndarray, groups: Ints | None, can_short: bool) -> Floats:
    """(N,) the position chosen on each row, each group from flat, all groups side by side."""
    known = np.zeros(len(features), dtype=np.int64) if groups is None else groups
    lanes = [np.flatnonzero(known == group) for group in np.unique(known)]
    held = np.zeros(len(lanes))
    positions = np.zeros(len(features))
    for step in range(max(len(lane) for lane in lanes)):
        there = [n for n, lane in enumerate(lanes) if step < len(lane)]
        rows = np.array([lanes[n][step] for n in there])
        seen = np.column_stack([features[rows], held[there]]).astype(np.float32)
        actions, _ = model.predict(seen, deterministic=True)
        held[there] = positions[rows] = positions_of(actions, can_short)
    return positions


def _scale(train: Samples) -> tuple[Floats, Floats]:
    std = train.features.std(axis=0)
    return train.features.mean(axis=0), np.where(std > 1e-12, std, 1.0)
