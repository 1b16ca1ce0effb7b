"""Out-of-sample metrics of predictions and positions, each next to a trivial baseline."""

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
    """Metrics on `rows` test rows; None where a metric does not apply or is undefined.

    `r2` is out of sample: 1 - squared error / squared error of the training rows' mean (Campbell & Thompson
    2008), so a constant forecast scores 0.  `rank_ic` is Spearman's correlation of prediction and outcome.
    `hit_rate` is the share of rows whose side (or class) was predicted correctly, `base_rate` that of always
    predicting the most frequent one of the training rows.  `slope` regresses the outcome on the prediction:
    1 is calibrated, below 1 overconfident.
    `brier` scores the probability of the predicted class, in [0, 1]; `calibration_error` is the expected
    calibration error over 10 bins.  `gain` is a policy's sum of earned returns after cost, `base_gain` that
    of always being long.
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
    """Measure a fitted model on the test rows; the training rows give the baselines only.

    :param model: a fitted model of any task.
    :param test: rows later than `train`, with labels in the same units.
    :return: the metrics of the model's task; the others are None.
    """
    if model.task == "classification":
        return _of_classes(model, train, test)
    predicted = model.predict(test.features, test.groups)
    if model.task == "policy":
        # Imported late: this adapter needs torch, and other models are measured without it.

        cost = float(model.settings.cost)
        always = gained(np.ones(len(test)), test.labels, test.groups, cost)
        earned = gained(predicted, test.labels, test.groups, cost)
        return PredictionMetrics(len(test), gain=float(earned.sum()), base_gain=float(always.sum()))
    return of_values(predicted, test.labels, train.labels)


def of_values(predicted: Floats, happened: Floats, learned: Floats) -> PredictionMetrics:
    """Metrics of a regression.

    :param predicted: (N,) predictions, finite.
    :param happened: (N,) labels of the same rows.
    :param learned: (M,) labels of the training rows, for the baselines.
    """
    spread = float(np.sum((happened - learned.mean()) ** 2))
    variance = float(np.var(predicted))
    sided = (predicted != 0.0) & (happened != 0.0)
    usual = 1.0 if (learned > 0).mean() >= 0.5 else -1.0
    varied = variance > 1e-24 and np.ptp(happened) > 0.0
    return PredictionMetrics(
        rows=len(predicted),
        r2=1.0 - float(np.sum((happened - predicted) ** 2)) / spread if spread > 0.0 else None,
        rank_ic=float(spearmanr(predicted, happened).statistic) if varied else None,
        hit_rate=float(np.mean(np.sign(predicted[sided]) == np.sign(happened[sided])))
        if sided.any()
        else None,
        base_rate=float(np.mean(np.sign(happened[sided]) == usual)) if sided.any() else None,
        slope=float(np.cov(predicted, happened, ddof=0)[0, 1] / variance) if varied else None,
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
    """The value that a search maximises: rank IC, negative Brier score for classes, or gain.

    A regression model with constant predictions scores 0.
    """
    if metrics.gain is not None:
        return metrics.gain
    if metrics.brier is not None:
        return -metrics.brier
    return metrics.rank_ic or 0.0


def gained(positions: Floats, labels: Floats, groups: Ints | None, cost: float) -> Floats:
    """Return (N,) earnings per row after the cost of changing the position; each group starts flat."""
    before = np.zeros(len(positions))
    known = np.zeros(len(positions), dtype=np.int64) if groups is None else groups
    for group in np.unique(known):
        rows = np.flatnonzero(known == group)
        before[rows[1:]] = positions[rows[:-1]]
    earned: Floats = positions * labels - cost * np.abs(positions - before)
    return earned
