"""How much an episode matters, from 1 to 10, from what happened: never drawn, never asked of a model.

    importance = 1 + 9 * (sum of w_c x_c) / (sum of w_c)      over those of the four that are known

Each x lies in [0, 1] and is about uniform for an ordinary history, so that 5.5 is an ordinary episode:

* surprise    erf(|r / s - depth / 10| / sqrt 2): the chance that a normal error is smaller.  r is the
              market's return over the horizon, s its expected deviation, and a decision of full depth expects
              one such deviation (the probability integral transform of the forecast error);
* size        the rank of |r| among all outcomes known by then;
* rarity      the rank of the mean distance to the nearest states known at the decision (the outlier score
              of Angiulli & Pizzuti 2002, Fast outlier detection in high dimensional spaces);
* usefulness  (helped + 1) / (judged + 2): Laplace's rule of succession on how often the episode was
              recalled and pointed the way that the market then went; 1/2 until it was.

Generative Agents (Park et al. 2023) asks a model for this number, FinMem (Yu et al. 2023) draws it at random.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from agent_market.config import ImportanceWeights
from agent_market.utils.arrays import Floats

T = TypeVar("T", float, Floats)

LEAST, MOST = 1.0, 10.0


@dataclass(frozen=True, slots=True)
class ImportanceEvidence:
    """Components of an importance, each in [0, 1]; None = unknown."""

    surprise: float | None
    size: float
    rarity: float | None
    usefulness: float


def surprise(market_return: float, expected_std: float | None, depth: float) -> float | None:
    """The chance that a normal forecast error is smaller than this one, in [0, 1].

    :param expected_std: deviation expected of the return at the decision; None if it was not known.
    :param depth: depth decided, in [-10, 10]; full depth expects a move of one deviation.
    :returns: None without an expected deviation; a deviation of 0 makes any move a full surprise.
    """
    if expected_std is None:
        return None
    if expected_std == 0.0:
        return 1.0 if market_return else 0.0
    return math.erf(abs(market_return / expected_std - depth / 10.0) / math.sqrt(2.0))


def rank_share(value: float, among: Sequence[float]) -> float:
    """Mid-rank of a value among sorted numbers, as a share in [0, 1]; NaN for NaN or among none.

    (how many are smaller + half of those equal) / n: the median of any sample is at 1/2.
    """
    if math.isnan(value) or not among:
        return math.nan
    return (bisect_left(among, value) + bisect_right(among, value)) / (2.0 * len(among))


def rank_shares(values: Floats, among: Sequence[float]) -> Floats:
    """`rank_share` of many values at once."""
    if not among:
        return np.full(len(values), np.nan)
    known = np.array(among)
    below = np.searchsorted(known, values, side="left")
    not_above = np.searchsorted(known, values, side="right")
    return np.where(np.isnan(values), np.nan, (below + not_above) / (2.0 * len(known)))


def usefulness(helped: T, judged: T) -> T:
    """Laplace's rule: the expected share of recalls that help, after `helped` of `judged` did."""
    return (helped + 1.0) / (judged + 2.0)


def importance(
    surprise: float, size: float, rarity: float, usefulness: float, weights: ImportanceWeights
) -> float:
    """Importance in [1, 10]; a NaN among the four counts as not known and takes no part.

    :param weights: weights of the four, not all 0.
    :returns: 5.5 where nothing that has weight is known.
    """
    total = mean = 0.0
    for part, weight in zip((surprise, size, rarity, usefulness), _in_order(weights), strict=True):
        if not math.isnan(part):
            total += weight
            mean += weight * part
    return LEAST + (MOST - LEAST) * (mean / total if total > 0.0 else 0.5)


def importances(
    surprise: Floats, size: Floats, rarity: Floats, usefulness: Floats, weights: ImportanceWeights
) -> Floats:
    """`importance` of many episodes at once, equal to the last bit: terms are added in the same order."""
    total, mean = np.zeros(len(size)), np.zeros(len(size))
    for part, weight in zip((surprise, size, rarity, usefulness), _in_order(weights), strict=True):
        known = ~np.isnan(part)
        total += np.where(known, weight, 0.0)
        mean += np.where(known, weight * part, 0.0)
    share = np.where(total > 0.0, mean / np.where(total > 0.0, total, 1.0), 0.5)
    return LEAST + (MOST - LEAST) * share


def _in_order(weights: ImportanceWeights) -> tuple[float, float, float, float]:
    return weights.surprise, weights.size, weights.rarity, weights.usefulness
