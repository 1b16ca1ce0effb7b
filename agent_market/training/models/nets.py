"""torch modules of the neural models: rows (or windows of rows) in, one output per row."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn


class MLP(nn.Module):
    """(B, F) to (B, K): hidden layers with GELU and dropout."""

    def __init__(self, width: int, outputs: int, hidden: int, layers: int, dropout: float) -> None:
        super().__init__()
        sizes = [width, *[hidden] * layers]
        parts: list[nn.Module] = []
        for before, after in itertools.pairwise(sizes):
            parts += [nn.Linear(before, after), nn.GELU(), nn.Dropout(dropout)]
        self.body = nn.Sequential(*parts, nn.Linear(hidden, outputs))

    def forward(self, rows: Tensor) -> Tensor:
        out: Tensor = self.body(rows[:, -1])
        return out


class LSTM(nn.Module):
    """(B, W, F) to (B, K): the last state of a stacked LSTM, through one linear layer."""

    def __init__(self, width: int, outputs: int, hidden: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.body = nn.LSTM(width, hidden, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0)
        self.drop = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, outputs)

    def forward(self, windows: Tensor) -> Tensor:
        states, _ = self.body(windows)
        out: Tensor = self.head(self.drop(states[:, -1]))
        return out


class Transformer(nn.Module):
    """(B, W, F) to (B, K): a pre-norm encoder with learned positions; the newest row's state is read out.

    Attention needs no causal mask: every row of the window lies in the past.
    """

    def __init__(
        self, width: int, outputs: int, hidden: int, layers: int, dropout: float, heads: int, window: int
    ) -> None:
        super().__init__()
        self.embed = nn.Linear(width, hidden)
        self.position = nn.Parameter(torch.zeros(1, window, hidden))
        layer = nn.TransformerEncoderLayer(
            hidden, heads, 4 * hidden, dropout, activation="gelu", batch_first=True, norm_first=True
        )
        self.body = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(hidden)
        self.head = nn.Linear(hidden, outputs)

    def forward(self, windows: Tensor) -> Tensor:
        states = self.body(self.embed(windows) + self.position)
        out: Tensor = self.head(self.norm(states[:, -1]))
        return out
