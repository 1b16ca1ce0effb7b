"""One decision by the nets that are in force, on the CPU; the same code in backtests and live."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch

from agent_market.config import DecisionSettings
from agent_market.decision.action import action_of
from agent_market.decision.fusion import decide
from agent_market.decision.nets.bundle import DECISION_NET, WEIGHT_NET, NetBundle
from agent_market.decision.nets.inputs import Seen, arrays_of
from agent_market.decision.nets.train import two_stage, weight_net
from agent_market.decision.trainers.base import DecisionDataset, blocks_of, one_thread
from agent_market.decision.trainers.gate import PriorPolicy
from agent_market.decision.trainers.policies import TwoStagePolicy, WeightPolicy
from agent_market.records import DEPTH_LIMIT, Decision

_CPU = torch.device("cpu")


class NetDecider:
    """The nets of one window in force for one pair."""

    def __init__(self, bundle: NetBundle, settings: DecisionSettings) -> None:
        self._bundle = bundle
        self._settings = settings
        weights = WeightPolicy(weight_net(bundle, bundle)).eval() if WEIGHT_NET in bundle.in_force else None
        self._weights: WeightPolicy | None = weights
        self._second: TwoStagePolicy | None = None
        if DECISION_NET in bundle.in_force:
            self._second = two_stage(bundle, weights or PriorPolicy(), bundle).eval()

    def decide(self, seen: Seen, held: float, decision_id: str) -> Decision:
        """Decide with the nets in force; the prior replaces a net that is not.

        :param held: previous depth, in [-10, 10]; 0 if there was none or it no longer holds.
        """
        problem = self._problem(seen)
        weights = seen.prior
        if self._weights is not None:
            shares = self._weights.weights(problem)[0, 0].tolist()
            weights = dict(zip(self._bundle.experts, shares, strict=True))
        fused = decide(seen.view, seen.views, weights, self._settings, decision_id)
        fused = replace(fused, nets=self._bundle.in_force)
        if self._second is None or not problem.awake.any():
            return fused
        depth = DEPTH_LIMIT * self._position(problem, held / DEPTH_LIMIT)
        action = action_of(depth, self._settings.hold_threshold)
        parts = math.fsum(fused.contributions.values())
        return replace(fused, depth=depth, action=action, shift=depth - parts)

    def _problem(self, seen: Seen) -> DecisionDataset:
        """The decision as a data set of one row; its outcome is unknown, set to 0 and never read."""
        arrays = arrays_of([seen], self._bundle.experts, self._settings)
        unknown = np.zeros((1, 1), dtype=np.float32)
        return DecisionDataset(
            vectors=arrays.vectors[:, None],
            awake=arrays.awake[:, None],
            depth=arrays.depth[:, None],
            prior=arrays.prior[:, None],
            state=arrays.state[:, None],
            gain=unknown,
            cost=unknown,
        )

    def _position(self, problem: DecisionDataset, held: float) -> float:
        assert self._second is not None, "called only with a decision net in force"
        with torch.no_grad(), one_thread():
            path = self._second.path(blocks_of(problem, 1, _CPU), torch.tensor([held], dtype=torch.float32))
        return min(1.0, max(-1.0, float(path.position[0, 0])))
