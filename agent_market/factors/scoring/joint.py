"""Factors judged together: what each adds to a linear model of all.

A factor's own IC says little once the pool is large, for most of it is already there (Yu et al. 2023,
"Generating synergistic formulaic alpha collections via reinforcement learning"). With factors standardised
over the pairs, a linear combination's IC depends only on each factor's IC and on their mutual correlations,
so the best weights and the loss from leaving one out cost a small matrix, not another pass over the market.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agent_market.errors import DataError
from agent_market.factors.panel import Array
from agent_market.factors.scoring.kernels import standard_scores

RIDGE = 0.02


@dataclass(frozen=True, slots=True, eq=False)
class FactorEvidence:
    """What the joint model needs of some factors on one span.

    `ics[i]` is the covariance of standardised factor i with the standardised return, `mutual[i, j]` that of
    factors i and j, means over times and pairs. `scale` is the mean square of the standardised return.
    """

    ics: Array
    mutual: Array
    scale: float

    @classmethod
    def of(cls, factors: Sequence[Array], returns: Array, min_pairs: int) -> FactorEvidence:
        """Measure factors, each (times, pairs), against the return that followed, same shape.

        A factor that is absent or constant at a time counts 0 there.
        """
        if not factors:
            raise DataError("a joint model needs at least one factor")
        target = standard_scores(returns, min_pairs).ravel()
        there = ~np.isnan(returns.ravel())
        matrix = np.stack([standard_scores(values, min_pairs).ravel()[there] for values in factors])
        target = target[there]
        cells = max(len(target), 1)
        return cls(matrix @ target / cells, matrix @ matrix.T / cells, float(target @ target) / cells)


@dataclass(frozen=True, slots=True, eq=False)
class JointModel:
    """Weights of a linear combination of standardised factors."""

    weights: Array

    @classmethod
    def fit(cls, evidence: FactorEvidence, ridge: float = RIDGE) -> JointModel:
        """The weights with the highest IC, ridge-shrunk; absolute sum 1 (all 0 where nothing has an IC)."""
        size = len(evidence.ics)
        weights = np.linalg.solve(evidence.mutual + ridge * np.eye(size), evidence.ics)
        total = np.abs(weights).sum()
        return cls(weights / total if total else weights)

    def ic(self, evidence: FactorEvidence) -> float:
        """IC of the combination on a span, its own or a later one; NaN where it does not vary."""
        variance = float(self.weights @ evidence.mutual @ self.weights) * evidence.scale
        return float(self.weights @ evidence.ics) / math.sqrt(variance) if variance > 0 else math.nan


def contributions(train: FactorEvidence, test: FactorEvidence | None = None, ridge: float = RIDGE) -> Array:
    """What each factor adds: joint IC with all, less joint IC of a model fitted without it.

    :param train: the span on which each model is fitted.
    :param test: the span on which it is judged; unset means the same, which never punishes a useless factor.
    """
    judged = test or train
    whole = _zero(JointModel.fit(train, ridge).ic(judged))
    out = np.empty(len(train.ics))
    for i in range(len(out)):
        others = np.arange(len(out)) != i
        if not others.any():
            out[i] = whole
            continue
        less = JointModel.fit(_without(train, others), ridge)
        out[i] = whole - _zero(less.ic(_without(judged, others)))
    return out


def _without(evidence: FactorEvidence, kept: Array) -> FactorEvidence:
    return FactorEvidence(evidence.ics[kept], evidence.mutual[np.ix_(kept, kept)], evidence.scale)


def _zero(value: float) -> float:
    """A model that says nothing has no IC; beside others that counts 0."""
    return 0.0 if math.isnan(value) else value
