"""`AgentWeightNet`: learn agent weights from the current views, as a residual on an online weighting.

    weights = softmax(log prior + residual)

The prior comes from an online weighting (`decision.experts`), and the residual starts at 0: untrained, the
net equals its prior.  All agents share one encoder; they differ by their vector, their prior, and an
embedding of their name that starts at 0, so an agent can join (with a zero embedding) or leave
without retraining.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from agent_market.errors import ConfigError

VECTOR = 4
LEAST_PRIOR = 1e-6


class AgentWeightNet(nn.Module):
    """Softmax weights over agents. Sizes: B decisions, N agents, S numbers of market state."""

    def __init__(
        self, agents: Sequence[str], state_dim: int = 0, hidden: int = 32, embedding: int = 4
    ) -> None:
        """:param state_dim: numbers of market state; 0 = no market state among the inputs.
        :raises ConfigError: an agent is named twice, or there is none.
        """
        super().__init__()
        if not agents or len(set(agents)) != len(agents):
            raise ConfigError(f"a weight net needs one or more different agents, got {list(agents)}")
        self.agents = tuple(agents)
        self.state_dim = state_dim
        self.embedding = nn.Parameter(torch.zeros(len(agents), embedding))
        self.encoder = nn.Sequential(nn.Linear(VECTOR + 1 + embedding, hidden), nn.Tanh())
        # Inputs: mean of the encodings, dispersion of the sides, share of agents awake, market state.
        self.context = nn.Sequential(nn.Linear(hidden + 2 + state_dim, hidden), nn.Tanh())
        self.mix = nn.Sequential(nn.Linear(2 * hidden, hidden), nn.Tanh())
        self.residual = nn.Linear(hidden, 1)
        nn.init.zeros_(self.residual.weight)
        nn.init.zeros_(self.residual.bias)

    def forward(self, vectors: Tensor, awake: Tensor, prior: Tensor, state: Tensor | None = None) -> Tensor:
        """Log weights (B, N), -inf for agents asleep; all -inf in a row without an awake agent.

        :param vectors: (B, N, 4) [buy, sell, hold, confidence] of each agent, 0 where asleep.
        :param awake: (B, N) bool.
        :param prior: (B, N) weights >= 0; raised to at least 1e-6, so that every agent can recover.
        :param state: (B, S) market state; required if `state_dim` > 0.
        :raises ConfigError: `state_dim` > 0 and there is no `state`.
        """
        log_prior = prior.clamp_min(LEAST_PRIOR).log()
        names = self.embedding.expand(*vectors.shape[:-1], -1)
        seen = torch.cat([vectors, log_prior.unsqueeze(-1) / 4.0, names], dim=-1)
        encoded = self.encoder(seen) * awake.unsqueeze(-1)
        count = awake.sum(-1, keepdim=True).clamp_min(1)
        side = vectors[..., 0] - vectors[..., 1]
        mean_side = (side * awake).sum(-1, keepdim=True) / count
        diversity = (((side - mean_side) ** 2 * awake).sum(-1, keepdim=True) / count + 1e-8).sqrt()
        parts = [encoded.sum(-2) / count, diversity, count / len(self.agents)]
        if self.state_dim:
            if state is None:
                raise ConfigError(
                    f"this weight net needs a market state of {self.state_dim} numbers; got none"
                )
            parts.append(state)
        context = self.context(torch.cat(parts, dim=-1)).unsqueeze(-2).expand_as(encoded)
        residual = self.residual(self.mix(torch.cat([encoded, context], dim=-1))).squeeze(-1)
        scores = (log_prior + residual).masked_fill(~awake, -torch.inf)
        return scores - _log_total(scores)

    def seated(self, agents: Sequence[str]) -> AgentWeightNet:
        """Return a copy for other agents: known ones keep their embedding, new ones start with zeros."""
        hidden, embedding = self.residual.in_features, self.embedding.shape[1]
        net = AgentWeightNet(agents, self.state_dim, hidden, embedding)
        theirs = {name: value for name, value in self.state_dict().items() if name != "embedding"}
        net.load_state_dict(theirs, strict=False)
        with torch.no_grad():
            for i, agent in enumerate(net.agents):
                if agent in self.agents:
                    net.embedding[i] = self.embedding[self.agents.index(agent)]
        return net.to(self.embedding.device)


def kl_to_prior(log_weights: Tensor, prior: Tensor) -> Tensor:
    """Mean over decisions of KL(weights || prior), in nats: how far the net departs from its prior."""
    weights = log_weights.exp()
    log_prior = prior.clamp_min(LEAST_PRIOR).log()
    gap = torch.where(weights > 0.0, log_weights - log_prior, torch.zeros_like(weights))
    return (weights * gap).sum(-1).mean()


def _log_total(scores: Tensor) -> Tensor:
    nobody = torch.isinf(scores).all(-1, keepdim=True)
    return torch.where(
        nobody, torch.zeros_like(scores[..., :1]), scores.masked_fill(nobody, 0.0).logsumexp(-1, keepdim=True)
    )
