"""`AgentWeightNet`: whom to trust, read off what the agents say now, on top of what they earned so far.

    weights = softmax(log prior + residual)

The prior comes from an online weighting (`decision.experts`), and the residual begins at 0: untrained, the
net is its prior.  Every agent goes through the same encoder; what sets one apart is its vector, its prior,
and an embedding of its name that begins at 0: an agent can join (as a stranger) or leave without retraining.
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
        """:param state_dim: numbers of market state; 0 = the net does not see the market.
        :raises ConfigError: an agent is named twice, or there is none.
        """
        super().__init__()
        if not agents or len(set(agents)) != len(agents):
            raise ConfigError(f"a weight net needs one or more different agents, got {list(agents)}")
        self.agents = tuple(agents)
        self.state_dim = state_dim
        self.embedding = nn.Parameter(torch.zeros(len(agents), embedding))
        self.encoder = nn.Sequential(nn.Linear(VECTOR + 1 + embedding, hidden), nn.Tanh())
        # Beside the mean of the encodings: how far depths are apart, how many are awake, and the market.
        self.context = nn.Sequential(nn.Linear(hidden + 2 + state_dim, hidden), nn.Tanh())
        self.mix = nn.Sequential(nn.Linear(2 * hidden, hidden), nn.Tanh())
        self.residual = nn.Linear(hidden, 1)
        nn.init.zeros_(self.residual.weight)
        nn.init.zeros_(self.residual.bias)

    def forward(self, vectors: Tensor, awake: Tensor, prior: Tensor, state: Tensor | None = None) -> Tensor:
        """Log weights (B, N), -inf for those asleep; a row where nobody is awake is -inf throughout.

        :param vectors: (B, N, 4) [buy, sell, hold, confidence] of each agent, 0 where asleep.
        :param awake: (B, N) bool.
        :param prior: (B, N) weights >= 0; those below 1e-6 count as that, so that no agent is lost for ever.
        :param state: (B, S) market state, where the net was made to see it.
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
                raise ConfigError(f"this weight net was made for {self.state_dim} numbers of market state")
            parts.append(state)
        context = self.context(torch.cat(parts, dim=-1)).unsqueeze(-2).expand_as(encoded)
        residual = self.residual(self.mix(torch.cat([encoded, context], dim=-1))).squeeze(-1)
        scores = (log_prior + residual).masked_fill(~awake, -torch.inf)
        return scores - _log_total(scores)

    def seated(self, agents: Sequence[str]) -> AgentWeightNet:
        """A net for other agents: those it knows keep their embedding, new ones come as strangers."""
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
    """Mean over decisions of KL(weights || prior): how far the net has left what was earned."""
    weights = log_weights.exp()
    log_prior = prior.clamp_min(LEAST_PRIOR).log()
    gap = torch.where(weights > 0.0, log_weights - log_prior, torch.zeros_like(weights))
    return (weights * gap).sum(-1).mean()


def _log_total(scores: Tensor) -> Tensor:
    nobody = torch.isinf(scores).all(-1, keepdim=True)
    return torch.where(
        nobody, torch.zeros_like(scores[..., :1]), scores.masked_fill(nobody, 0.0).logsumexp(-1, keepdim=True)
    )
