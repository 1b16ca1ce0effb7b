"""Logged decisions as arrays: every agent's view at every moment, and the market's returns after it.

For a price taker the reward of every action is known once the market has moved, so a log of views is enough
to train and evaluate any way of using them.  T moments, P pairs, N experts, S numbers of market state.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from agent_market.config import DecisionSettings
from agent_market.costs import net_return
from agent_market.decision.experts.virtual_experts import CASH
from agent_market.errors import DataError
from agent_market.utils.arrays import Bools, Floats, Ints


@dataclass(frozen=True, slots=True)
class DecisionPanel:
    """Decisions of all pairs on one grid of moments.

    * `times` (T,): moments of decision (closes of candles), seconds, increasing;
    * `depth` (T, P, N) in [-1, 1], NaN where the expert abstained; `confidence` (T, P, N) in [0, 1];
    * `state` (T, P, S): bounded market state, 0 where unknown; `regime` (T, P): index into `REGIMES`;
    * `sigma` (T, P): expected standard deviation of the return until the next moment, > 0;
    * `returns` (T, P): of a long position from this decision's fill to the next decision's fill: money;
    * `outcome` (T, P): of a long position from this decision's fill to the last close before the next
      decision: the training outcome, known at `known_at` (T, P), seconds. NaN where it is never known.
    """

    times: Ints
    pairs: tuple[str, ...]
    experts: tuple[str, ...]
    depth: Floats
    confidence: Floats
    state: npt.NDArray[np.float32]
    regime: Ints
    sigma: Floats
    returns: Floats
    outcome: Floats
    known_at: Ints

    def __post_init__(self) -> None:
        rows = (len(self.times), len(self.pairs))
        seats = (*rows, len(self.experts))
        shapes = {
            "depth": seats,
            "confidence": seats,
            "state": (*rows, self.state.shape[-1]),
            **dict.fromkeys(("regime", "sigma", "returns", "outcome", "known_at"), rows),
        }
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise DataError(f"panel: {name} must be {shape}, got {getattr(self, name).shape}")
        if (np.diff(self.times) <= 0).any():
            raise DataError("panel: moments must increase; sort the decisions and drop duplicates")

    def __len__(self) -> int:
        return len(self.times)

    @property
    def awake(self) -> Bools:
        """(T, P, N) where an expert has an opinion."""
        return np.isfinite(self.depth)

    def rows(self, chosen: slice | npt.NDArray[np.integer]) -> DecisionPanel:
        """Return the panel at some of the moments."""
        parts = ("times", "depth", "confidence", "state", "regime", "sigma", "returns", "outcome", "known_at")
        return replace(self, **{name: getattr(self, name)[chosen] for name in parts})

    def with_cash(self) -> DecisionPanel:
        """Return the panel with cash as a last expert: depth 0, confidence 1, always awake."""
        rows = (*self.depth.shape[:2], 1)
        return replace(
            self,
            experts=(*self.experts, CASH),
            depth=np.concatenate([self.depth, np.zeros(rows)], axis=2),
            confidence=np.concatenate([self.confidence, np.ones(rows)], axis=2),
        )

    def seen_from(self, moment: int) -> Bools:
        """(T, P) True where the outcome is known at `moment` (seconds)."""
        return np.isfinite(self.outcome) & (self.known_at <= moment)


def vectors(panel: DecisionPanel, settings: DecisionSettings) -> npt.NDArray[np.float32]:
    """Return [buy, sell, hold, confidence] of every expert, (T, P, N, 4), all 0 where it is asleep."""
    depth = np.nan_to_num(panel.depth)
    bar = settings.hold_threshold / 10.0
    buy = (depth > 0.0) & (depth >= bar)
    sell = (depth < 0.0) & (depth <= -bar)
    stacked = np.stack([buy, sell, ~(buy | sell), panel.confidence], axis=-1)
    return np.where(panel.awake[..., None], stacked, 0.0).astype(np.float32)


def money(panel: DecisionPanel, position: Floats, cost: float) -> Floats:
    """Compute the return of each pair's capital in each period, (T, P), after costs, as a fraction.

    :param position: (T, P) in [-1, 1], decided at the moment and held from its fill to the next.
    :param cost: of one unit of turnover (one side), as a fraction.
    """
    return np.asarray(net_return(position, _before(position), panel.returns, cost))


def expert_rewards(panel: DecisionPanel, cost: float, scale: float) -> Floats:
    """Compute the reward of each expert on its own, (T, P, N) in [-1, 1]; NaN where it is asleep.

    The reward is what it would have made alone: return x depth, less the cost of its own turnover, in units
    of `scale` expected deviations, clipped.  A sleeping expert holds nothing: its depth before counts as 0.

    :param cost: of one unit of turnover (one side), as a fraction.
    """
    held = np.nan_to_num(panel.depth)
    earned = net_return(held, _before(held), panel.outcome[..., None], cost)
    rewards = np.clip(earned / (scale * panel.sigma[..., None]), -1.0, 1.0)
    return np.where(panel.awake, rewards, np.nan)


def _before(position: Floats) -> Floats:
    """(T, ...) the position held until each decision; flat before the first."""
    return np.concatenate([np.zeros_like(position[:1]), position[:-1]])
