"""`DecisionNet`: choose a position from the fused view, the position held and the trading cost.

Two heads.  `target` holds a continuous depth and trades only to the edge of a no-trade zone around its
target, the form of the optimal policy under proportional costs (Davis & Norman 1990; Garleanu & Pedersen
2013).  `actions` is buy / sell / hold: go long, go short, keep.

Untrained, both follow the fused depth: the residual of the target starts at 0, and the zone is narrow.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Head = Literal["target", "actions"]

SELL, HOLD, BUY = range(3)
FIRST_ZONE = 0.02
_SIDE_GAIN = 4.0


class DecisionNet(nn.Module):
    """Positions from fused features; L steps in order, B sequences, F features."""

    def __init__(self, features: int, hidden: int = 32, head: Head = "target") -> None:
        super().__init__()
        self.head: Head = head
        self.see = nn.Linear(features, hidden)
        self.feel = nn.Linear(2, hidden, bias=False)
        self.act = nn.Linear(hidden, 2 if head == "target" else 3)
        nn.init.zeros_(self.act.weight)
        nn.init.zeros_(self.act.bias)

    def forward(self, features: Tensor, anchor: Tensor, position: Tensor) -> Tensor:
        """Positions (L, B) in [-1, 1], each held from its decision on.

        :param features: (L, B, F) inputs of each decision.
        :param anchor: (L, B) the fused depth in [-1, 1].
        :param position: (B,) held before the first decision.
        """
        seen = self.see(features)
        path = []
        for step in range(len(seen)):
            position = self.step(seen[step], anchor[step], position)
            path.append(position)
        return torch.stack(path)

    def step(self, seen: Tensor, anchor: Tensor, position: Tensor) -> Tensor:
        """One decision; `seen` is `self.see(features)`."""
        felt = self.feel(torch.stack([position, anchor - position], dim=-1))
        out = self.act(torch.tanh(seen + felt))
        return (
            self._target(out, anchor, position)
            if self.head == "target"
            else self._chosen(out, anchor, position)
        )

    def _target(self, out: Tensor, anchor: Tensor, position: Tensor) -> Tensor:
        wanted = (anchor + out[..., 0]).clamp(-1.0, 1.0)
        zone = F.softplus(out[..., 1] + math.log(math.expm1(FIRST_ZONE)))
        gap = wanted - position
        return position + gap.sign() * F.relu(gap.abs() - zone)

    def _chosen(self, out: Tensor, anchor: Tensor, position: Tensor) -> Tensor:
        sides = torch.stack([-anchor, torch.zeros_like(anchor), anchor], dim=-1)
        odds = torch.softmax(out + _SIDE_GAIN * sides, dim=-1)
        soft = odds[..., BUY] - odds[..., SELL] + odds[..., HOLD] * position
        action = odds.argmax(-1)
        hard = torch.where(action == HOLD, position, (action - HOLD).to(position.dtype))
        # Straight-through estimator (Bengio, Leonard & Courville 2013): hard choice forward, soft gradient.
        return soft + (hard - soft).detach()
