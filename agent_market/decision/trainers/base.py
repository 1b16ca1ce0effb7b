"""The data set, the `Policy` and `Trainer` protocols, and blocks for minibatches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from agent_market.config import DecisionSettings
from agent_market.decision.panel import DecisionPanel, vectors
from agent_market.utils.arrays import Floats


@dataclass(frozen=True, slots=True)
class DecisionDataset:
    """A stretch of consecutive decisions as arrays; T moments, P pairs, N experts.

    Inputs of the decision: `vectors` (T, P, N, 4), `awake` (T, P, N), `depth` (T, P, N, 0 where asleep),
    `prior` (T, P, N) weights of the online weighting, `state` (T, P, S).  Rewards, in expected
    deviations: `gain` (T, P) by a long position, 0 where it is not known, and `cost` (T, P) by one unit of
    turnover.
    """

    vectors: npt.NDArray[np.float32]
    awake: npt.NDArray[np.bool_]
    depth: npt.NDArray[np.float32]
    prior: npt.NDArray[np.float32]
    state: npt.NDArray[np.float32]
    gain: npt.NDArray[np.float32]
    cost: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.gain)

    def rows(self, chosen: slice | npt.NDArray[np.integer]) -> DecisionDataset:
        """Return the data set at some consecutive moments."""
        return replace(self, **{name: getattr(self, name)[chosen] for name in self.__slots__})


def dataset_of(
    panel: DecisionPanel, prior: Floats, cost: float, settings: DecisionSettings
) -> DecisionDataset:
    """Convert a panel to a data set.

    :param prior: (T, P, N) weights of an online weighting over `panel.experts`, each row known at its moment.
    :param cost: of one unit of turnover, as a fraction.
    """
    gain = np.where(np.isfinite(panel.outcome), panel.outcome / panel.sigma, 0.0)
    return DecisionDataset(
        vectors=vectors(panel, settings),
        awake=panel.awake,
        depth=np.nan_to_num(panel.depth).astype(np.float32),
        prior=prior.astype(np.float32),
        state=panel.state.astype(np.float32),
        # One extreme period must not dominate training.
        gain=np.clip(gain, -8.0, 8.0).astype(np.float32),
        cost=(cost / panel.sigma).astype(np.float32),
    )


class Policy(Protocol):
    """Maps a data set to positions."""

    def positions(self, problem: DecisionDataset) -> Floats:
        """(T, P) positions in [-1, 1], flat before the first; row t depends on rows <= t only."""
        ...


class Trainer(Protocol):
    """Learns a policy. The same seed and data give the same policy on a CPU."""

    def fit(self, train: DecisionDataset, later: DecisionDataset, seed: int) -> Policy:
        """Fit on `train` and stop early by `later`, a span after it.

        Neither may hold an outcome that was not known when the policy is first used; the caller purges.
        """
        ...


@dataclass(frozen=True, slots=True)
class Batch:
    """Blocks of a problem as tensors: L steps in order, B blocks; fields as in `DecisionDataset` with (L, B,
    ...)."""

    vectors: Tensor
    awake: Tensor
    depth: Tensor
    prior: Tensor
    state: Tensor
    gain: Tensor
    cost: Tensor

    def pick(self, blocks: Tensor) -> Batch:
        return Batch(*(getattr(self, name)[:, blocks] for name in self.__slots__))


def blocks_of(problem: DecisionDataset, length: int, device: torch.device) -> Batch:
    """All pairs' histories cut into blocks of `length` steps; the oldest steps that fill none are left out.

    A problem shorter than that is one block a pair.
    """
    size = min(length, len(problem))
    count = len(problem) // size

    def cut(values: np.ndarray) -> Tensor:
        kept = values[len(values) - count * size :]
        split = kept.reshape(count, size, *kept.shape[1:])
        moved = np.moveaxis(split, 0, 1)  # (L, count, P, ...)
        return torch.from_numpy(np.ascontiguousarray(moved)).to(device).flatten(1, 2)

    return Batch(*(cut(getattr(problem, name)) for name in DecisionDataset.__slots__))


def minibatches(count: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Indices 0 .. count - 1 once each, in random order, `size` at a time."""
    order = torch.randperm(count, generator=generator)
    yield from order.split(size)


@contextmanager
def one_thread() -> Iterator[None]:
    """Run Torch on one CPU thread: nets this small do not profit from more, and sums are reproducible."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def device_of(name: str = "auto") -> torch.device:
    """Return the torch device; `auto` is CUDA if available, else the CPU."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)
