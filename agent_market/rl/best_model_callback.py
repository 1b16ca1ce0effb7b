"""Training of Stable-Baselines3 that ends with the best policy met on the way, not with the last."""

from __future__ import annotations

import copy

import numpy as np
import torch
from stable_baselines3.common.callbacks import BaseCallback


class KeepBest(BaseCallback):
    """Judge the policy now and then; in the end, give it the weights that were worth most."""

    def __init__(self, every: int) -> None:
        """:param every: steps of training between two judgements."""
        super().__init__()
        self._every, self._next = every, 0
        self.best = -np.inf
        self._weights: dict[str, torch.Tensor] | None = None

    def worth(self) -> float:
        """What the policy is worth as it is now; more is better."""
        raise NotImplementedError

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        if self.num_timesteps >= self._next:
            self._next = self.num_timesteps + self._every
            self._judge()

    def _on_training_end(self) -> None:
        self._judge()
        assert self._weights is not None
        self.model.policy.load_state_dict(self._weights)

    def _judge(self) -> None:
        worth = self.worth()
        if worth > self.best:
            self.best, self._weights = worth, copy.deepcopy(self.model.policy.state_dict())
