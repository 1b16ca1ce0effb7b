"""How good predictions and positions were on rows that nothing was learned from; each beside what
costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from agent_market.decision.calibration import brier_score, expected_calibration_error
from agent_market.training.models.base import BaseModelAdapter
from agent_market.training.models.samples import Samples
from agent_market.utils.arrays import Floats, Ints

BINS = 10


@dataclass(frozen=True, slots=True)
class PredictionMetrics:
    """Measured on `rows` later rows; None where a measure does not apply or is not defined.

    `r2` is out of sample: 1 - squared error / squared error of the training rows' mean (Campbell & Thompson
    2008), so 0 is what knowing nothing gets.  `rank_ic` Spearman's correlation of prediction and outcome.
    `hit_rate` the share of rows whose side (or class) was told, `base_rate` what always saying the commonest
    one of the training rows gets.  `slope` of outcome on prediction: 1 is calibrated, below 1 too bold.
    `brier` of the probability of the class that was named, in [0, 1], and `calibration_error` (expected, 10
    bins).  `gain` a policy's sum of earned labels after cost, `base_gain` that of always being long.
    """

    rows: int
    r2: float | None = None
    rank_ic: float | None = None
    hit_rate: float | None = None
    base_rate: float | None = None
    slope: float | None = None
    brier: float | None = None
    calibration_error: float | None = None
    gain: float | None = None
    base_gain: float | None = None


def measure(model: BaseModelAdapter[Any], train: Samples, test: Samples) -> PredictionMetrics:
    """Measure a fitted model; `train` gives the baselines only."""
    if model.task == "classification":
        return _of_classes(model, train, test)
    told = model.predict(test.features, test.groups)
    if model.task == "policy":
        # Only here: the adapter needs torch, and others are measured without it.

        cost = float(model.settings.cost)
        always = gained(np.ones(len(test)), test.labels, test.groups, cost)
        earned = gained(told, test.labels, test.groups, cost)
        return PredictionMetrics(len(test), gain=float(earned.sum()), base_gain=float(always.sum()))
    return of_values(told, test.labels, train.labels)


def of_values(told: Floats, happened: Floats, learned: Floats) -> PredictionMetrics:
    """Metrics of a regression; `learned` are the labels of the training rows."""
    spread = float(np.sum((happened - learned.mean()) ** 2))
    variance = float(np.var(told))
    sided = (told != 0.0) & (happened != 0.0)
    usual = 1.0 if (learned > 0).mean() >= 0.5 else -1.0
    varied = variance > 1e-24 and np.ptp(happened) > 0.0
    return PredictionMetrics(
        rows=len(told),
        r2=1.0 - float(np.sum((happened - told) ** 2)) / spread if spread > 0.0 else None,
        rank_ic=float(spearmanr(told, happened).statistic) if varied else None,
        hit_rate=float(np.mean(np.sign(told[sided]) == np.sign(happened[sided]))) if sided.any() else None,
        base_rate=float(np.mean(np.sign(happened[sided]) == usual)) if sided.any() else None,
        slope=float(np.cov(told, happened, ddof=0)[0, 1] / variance) if varied else None,
    )


def _of_classes(model: BaseModelAdapter[Any], train: Samples, test: Samples) -> PredictionMetrics:
    chances = model.predict_proba(test.features, test.groups)
    named = np.asarray(model.classes, dtype=float)[chances.argmax(axis=1)]
    confidence, hit = np.clip(chances.max(axis=1), 0.0, 1.0), named == test.labels
    kinds, counts = np.unique(train.labels, return_counts=True)
    expected = chances @ np.asarray(model.classes, dtype=float)
    varied = np.ptp(expected) > 1e-12 and np.ptp(test.labels) > 0
    return PredictionMetrics(
        rows=len(test),
        rank_ic=float(spearmanr(expected, test.labels).statistic) if varied else None,
        hit_rate=float(hit.mean()),
        base_rate=float(np.mean(test.labels == kinds[counts.argmax()])),
        brier=brier_score(confidence, hit),
        calibration_error=expected_calibration_error(confidence, hit, BINS),
    )


def score(metrics: PredictionMetrics) -> float:
    """What a search maximises: rank IC, less Brier score for classes, or gain; a model that says nothing
    gets 0.
    """
    if metrics.gain is not None:
        return metrics.gain
    if metrics.brier is not None:
        return -metrics.brier
    return metrics.rank_ic or 0.0


def gained(positions: Floats, labels: Floats, groups: Ints | None, cost: float) -> Floats:
    """(N,) what each row earned after the cost of getting into its position, each group from flat."""
    before = np.zeros(len(positions))
    known = np.zeros(len(positions), dtype=np.int64) if groups is None else groups
    for group in np.unique(known):
        rows = np.flatnonzero(known == group)
        before[rows[1:]] = positions[rows[:-1]]
    earned: Floats = positions * labels - cost * np.abs(positions - before)
    return earned
