"""Rank episodes for recall.

    score = w_s * similarity + w_r * recency + w_i * (importance - 1) / 9

similarity = exp(-distance / sqrt(dim)), the distance being Euclidean: the exponential generalisation gradient
(Shepard 1987) of the root mean square difference per number, so that it does not depend on how many numbers
a state has; recency is the retention of the layer that the memory is in (`memory.decay`).  The sum of the
three is that of Generative Agents (Park et al. 2023) and FinMem (Yu et al. 2023), without their rescaling by
the extremes of what is at hand: there one odd memory moves the order of all others.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from agent_market.config import RankWeights
from agent_market.memory.importance import LEAST, MOST
from agent_market.utils.arrays import Floats


def scores(
    distances: Floats, dim: int, recency: Floats | float, importance: Floats, weights: RankWeights
) -> Floats:
    """(n,) scores, higher first.

    :param distances: (n,) Euclidean distances of the states, >= 0.
    :param dim: how many numbers a state has.
    :param recency: (n,), or one for all, in [0, 1].
    :param importance: (n,) in [1, 10].
    """
    similarity = np.exp(distances * (-1.0 / math.sqrt(dim)))
    share = (importance - LEAST) * (weights.importance / (MOST - LEAST))
    return weights.similarity * similarity + weights.recency * recency + share


def best(scores: Floats, count: int) -> npt.NDArray[np.int64]:
    """Places of the `count` highest scores, highest first; equal ones in order of place."""
    if count < len(scores):
        # Everything that ties with the last place is kept for the stable sort to decide.
        least = -np.partition(-scores, count - 1)[count - 1]
        places = np.flatnonzero(scores >= least)
    else:
        places = np.arange(len(scores))
    return places[np.argsort(-scores[places], kind="stable")[:count]]
