"""The default trainer: gradient ascent on money after costs.

A price taker's money is a known, differentiable function of its positions: on a log of decisions its gradient
needs no sampling (Moody & Saffell 2001, "Learning to trade via direct reinforcement").  A policy gradient
estimates the same direction from noisy samples: at a signal-to-noise ratio of 0.02 per step it hardly moves.

    maximise  mean(r) - aversion / 2 mean(r^2) - kl * penalty - turnover * mean|change|
    r = gain * position - cost * |change of position|             in expected deviations
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from agent_market.config import Settings
from agent_market.decision.trainers.base import (
    Batch,
    DecisionDataset,
    blocks_of,
    device_of,
    minibatches,
    one_thread,
)
from agent_market.decision.trainers.policies import PathPolicy
from agent_market.errors import TrainingFailed
from agent_market.utils.durable import atomic_write


class PathwiseSettings(Settings):
    """Settings of the pathwise trainer."""

    epochs: int = 60
    """Maximum number of passes over the training span."""
    patience: int = 12
    """Stop after this many passes without an improvement on the later span."""
    learning_rate: float = 3e-3
    """Step size of Adam."""
    decay: float = 1e-3
    """Weight decay."""
    block: int = 64
    """Consecutive decisions that a gradient is propagated through."""
    minibatch: int = 4096
    """Decisions per optimiser step."""
    aversion: float = 0.05
    """Risk aversion; at 0 the optimum is the largest position allowed."""
    kl: float = 0.05
    """Penalty per nat of KL divergence of the weights from their prior."""
    turnover: float = 0.001
    """Penalty on turnover besides its cost, in expected deviations per unit."""
    device: str = "auto"
    """`auto` (CUDA where there is a device), `cpu` or `cuda`."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Objective on the later span after each pass, and the pass that was kept (0 = untrained)."""

    later: tuple[float, ...]
    kept: int


class PathwiseTrainer:
    """Trains any `PathPolicy`; `progress` describes the last fit."""

    def __init__(
        self,
        make: Callable[[], PathPolicy],
        settings: PathwiseSettings | None = None,
        checkpoint: Path | None = None,
    ) -> None:
        """:param make: create a new policy; called with the seed set.
        :param checkpoint: file that each pass is written to; a fit resumes from it if it is its own.
        """
        self._make = make
        self.settings = settings or PathwiseSettings()
        self._checkpoint = checkpoint
        self.progress = Progress((), 0)

    def fit(self, train: DecisionDataset, later: DecisionDataset, seed: int) -> PathPolicy:
        """See `Trainer.fit`. Keeps the policy that is best on `later`, the untrained one included.

        :raises TrainingFailed: the objective became NaN, or the checkpoint belongs to another fit.
        """
        with one_thread():
            return self._fit(train, later, seed)

    def _fit(self, train: DecisionDataset, later: DecisionDataset, seed: int) -> PathPolicy:
        s = self.settings
        device = device_of(s.device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            policy = self._make().to(device)
        learned = [p for p in policy.parameters() if p.requires_grad]
        optimiser = torch.optim.AdamW(learned, lr=s.learning_rate, weight_decay=s.decay)
        shuffle = torch.Generator().manual_seed(seed)
        blocks, ahead = blocks_of(train, s.block, device), blocks_of(later, len(later), device)
        per_step = max(1, s.minibatch // blocks.gain.shape[0])

        best, kept, values = copy.deepcopy(policy.state_dict()), 0, [self._judged(policy, ahead)]
        first = self._resume(policy, optimiser, shuffle, best, values, seed)
        kept = _argmax(values)
        for epoch in range(first, s.epochs + 1):
            if epoch - 1 - kept >= s.patience:
                break
            for chosen in minibatches(blocks.gain.shape[1], per_step, shuffle):
                loss = -self._objective(policy, blocks.pick(chosen.to(device)))
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                torch.nn.utils.clip_grad_norm_(learned, 1.0)
                optimiser.step()
            values.append(self._judged(policy, ahead))
            if values[-1] != values[-1]:
                raise TrainingFailed(f"objective is {values[-1]} after pass {epoch}; lower the learning rate")
            if values[-1] > values[kept]:
                best, kept = copy.deepcopy(policy.state_dict()), epoch
            self._save(policy, optimiser, shuffle, best, values, seed)
        policy.load_state_dict(best)
        policy.eval()
        self.progress = Progress(tuple(values), kept)
        return policy

    def _objective(self, policy: PathPolicy, batch: Batch) -> Tensor:
        """The objective on a batch of blocks that start flat."""
        s = self.settings
        held = torch.zeros_like(batch.gain[0])
        path = policy.path(batch, held)
        # The position before a block is unknown, so its first change is not charged.
        before = torch.cat([path.position[:1].detach(), path.position[:-1]])
        change = (path.position - before).abs()
        reward = batch.gain * path.position - batch.cost * change
        utility = reward.mean() - 0.5 * s.aversion * (reward**2).mean()
        return utility - s.kl * path.penalty - s.turnover * change.mean()

    def _judged(self, policy: PathPolicy, ahead: Batch) -> float:
        with torch.no_grad():
            return float(self._objective(policy, ahead))

    def _save(self, policy: PathPolicy, optimiser: Any, shuffle: torch.Generator, *rest: Any) -> None:
        if self._checkpoint is None:
            return
        best, values, seed = rest
        state = {
            "seed": seed,
            "settings": self.settings.model_dump(),
            "policy": policy.state_dict(),
            "optimiser": optimiser.state_dict(),
            "shuffle": shuffle.get_state(),
            "best": best,
            "values": values,
        }
        with atomic_write(self._checkpoint) as fresh:
            torch.save(state, fresh)

    def _resume(
        self,
        policy: PathPolicy,
        optimiser: Any,
        shuffle: torch.Generator,
        best: dict[str, Tensor],
        values: list[float],
        seed: int,
    ) -> int:
        """Load the checkpoint, if there is one, and return the next pass."""
        if self._checkpoint is None or not self._checkpoint.exists():
            return 1
        state = torch.load(self._checkpoint, map_location=device_of(self.settings.device), weights_only=True)
        theirs = {**state["settings"], "epochs": self.settings.epochs}
        if state["seed"] != seed or theirs != self.settings.model_dump() or state["values"][0] != values[0]:
            raise TrainingFailed(
                f"{self._checkpoint} is of a fit with another seed, other settings or other data; remove it, "
                "or name another file"
            )
        policy.load_state_dict(state["policy"])
        optimiser.load_state_dict(state["optimiser"])
        shuffle.set_state(state["shuffle"].cpu())
        best.update(state["best"])
        values[:] = state["values"]
        return len(values)


def _argmax(values: list[float]) -> int:
    return max(range(len(values)), key=values.__getitem__)
