"""The online Newton step: weights as a portfolio of experts whose wealth grows fastest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import nnls

from agent_market.decision.experts.base import Learner
from agent_market.utils.arrays import Bools, Floats

_SUM_WEIGHT = 1e4


class OnlineNewton(Learner):
    """Online Newton step on the log wealth of betting half of it by the weights.

    Hazan, Agarwal & Kale 2007 (figure 2); as a portfolio, Agarwal, Hazan, Kale & Schapire 2006.  With the
    exp-concave loss f(w) = -ln(1 + w . r / 2), which for rewards in [-1, 1] is defined on the whole simplex:

        g = grad f(w),  A += g g',  w = argmin over the simplex of (w - y)' A (w - y),  y = w - A^-1 g / gamma

    The paper's gamma is half the smaller of the loss's exp-concavity, 1, and 1 / (4 G D).  All that its proof
    needs of G D is a bound on g . (w - w'), here 1 (largest entry of g) times 2 (1-norm): gamma = 1/16.
    """

    def __init__(self, experts: Sequence[str], gamma: float = 0.0625, ridge: float = 1.0) -> None:
        """:param ridge: A starts as this times the identity; larger moves more slowly at first.
        :raises ValueError: one of the two is not positive.
        """
        super().__init__(experts)
        if not gamma > 0.0 or not ridge > 0.0:
            raise ValueError(f"gamma and ridge must be positive, got {gamma} and {ridge}")
        self.gamma = gamma
        self.curvature = ridge * np.eye(len(self.experts))
        self.point = np.full(len(self.experts), 1.0 / len(self.experts))

    def _mass(self, depths: Floats, awake: Bools) -> Floats:
        return self.point

    def _update(self, rewards: Floats, own: float, awake: Bools) -> None:
        bets = rewards / 2.0
        gradient = -bets / (1.0 + float(self.point @ bets))
        self.curvature += np.outer(gradient, gradient)
        target = self.point - np.linalg.solve(self.curvature, gradient) / self.gamma
        self.point = project_to_simplex(target, self.curvature)


def project_to_simplex(point: Floats, metric: Floats) -> Floats:
    """The w >= 0 with sum 1 nearest to `point` in the norm of `metric` (symmetric, positive definite).

    A non-negative least squares problem with the sum as one heavily weighted row (Lawson & Hanson 1974,
    chapter 22): exact to about 1e-8, then scaled to sum 1.
    """
    root = np.linalg.cholesky(metric).T
    heavy = _SUM_WEIGHT * float(np.abs(root).max())
    rows = np.vstack([root, np.full(len(point), heavy)])
    found, _ = nnls(rows, np.append(root @ point, heavy))
    return found / found.sum()
