"""The two nets as differentiable policies over batches of blocks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from agent_market.decision.decision_net import DecisionNet, Head
from agent_market.decision.trainers.base import Batch, DecisionDataset, blocks_of, one_thread
from agent_market.decision.weight_net import AgentWeightNet, kl_to_prior
from agent_market.utils.arrays import Floats


class Path(NamedTuple):
    """Positions (L, B), and the policy's penalty in the objective (a scalar)."""

    position: Tensor
    penalty: Tensor


class PathPolicy(nn.Module):
    """A differentiable policy. Subclasses implement `path`."""

    def path(self, batch: Batch, held: Tensor) -> Path:
        """Act on every step of every block, starting from the position `held` (B,)."""
        raise NotImplementedError

    def positions(self, problem: DecisionDataset) -> Floats:
        """See `Policy.positions`."""
        device = next(self.parameters()).device
        batch = blocks_of(problem, len(problem), device)
        with torch.no_grad(), one_thread():
            flat = torch.zeros(problem.gain.shape[1], device=device)
            return self.path(batch, flat).position.cpu().numpy().astype(np.float64)


class WeightPolicy(PathPolicy):
    """Hold the weighted mean depth; the weights are the net's."""

    def __init__(self, net: AgentWeightNet, use_prior: bool = True) -> None:
        """:param use_prior: if False, the net starts from equal weights, without a KL penalty."""
        super().__init__()
        self.net = net
        self.use_prior = use_prior

    def log_weights(self, batch: Batch) -> Tensor:
        """Log weights (L, B, N)."""
        state = batch.state if self.net.state_dim else None
        log_weights: Tensor = self.net(batch.vectors, batch.awake, self._prior(batch), state)
        return log_weights

    def path(self, batch: Batch, held: Tensor) -> Path:
        log_weights = self.log_weights(batch)
        position = (log_weights.exp() * batch.depth).sum(-1)
        penalty = kl_to_prior(log_weights, self._prior(batch)) if self.use_prior else position.new_zeros(())
        return Path(position, penalty)

    def weights(self, problem: DecisionDataset) -> Floats:
        """Weights (T, P, N), each row with an awake expert summing to 1."""
        device = self.net.embedding.device
        with torch.no_grad(), one_thread():
            log_weights = self.log_weights(blocks_of(problem, len(problem), device))
        return log_weights.exp().cpu().numpy().astype(np.float64)

    def _prior(self, batch: Batch) -> Tensor:
        if self.use_prior:
            return batch.prior
        awake = batch.awake.to(batch.prior.dtype)
        return awake / awake.sum(-1, keepdim=True).clamp_min(1.0)


class TwoStagePolicy(PathPolicy):
    """Stage one gives weights (its net, or the prior without one); stage two decides on the fused vector.

    Only stage two is trained here; stage one is frozen.
    """

    def __init__(
        self, weights: WeightPolicy | None, state_dim: int, head: Head = "target", hidden: int = 32
    ) -> None:
        super().__init__()
        self.weights = weights
        if weights is not None:
            weights.requires_grad_(False)
        # Fused [buy, sell, hold, confidence], fused depth, dispersion of depths, market state.
        self.net = DecisionNet(6 + state_dim, hidden, head)

    def path(self, batch: Batch, held: Tensor) -> Path:
        features, anchor = self.fused(batch)
        position = self.net(features, anchor, held)
        return Path(position, position.new_zeros(()))

    def fused(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Features (L, B, F) of stage two, and the fused depth (L, B)."""
        weights = batch.prior if self.weights is None else self.weights.log_weights(batch).exp()
        anchor = (weights * batch.depth).sum(-1)
        vector = (weights.unsqueeze(-1) * batch.vectors).sum(-2)
        spread = ((weights * (batch.depth - anchor.unsqueeze(-1)) ** 2).sum(-1) + 1e-8).sqrt()
        parts = [vector, anchor.unsqueeze(-1), spread.unsqueeze(-1), batch.state]
        return torch.cat(parts, dim=-1), anchor
