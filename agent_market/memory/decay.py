"""Forgetting curves: what is left of a memory after a time, by layer.

    retention = 2^(-age / half-life)        retained importance = 1 + (importance - 1) * retention

The exponential is that of Ebbinghaus (1885) as MemoryBank (Zhong et al. 2024) and FinMem (Yu et al. 2023) use
it.  Age counts from the last time that the memory was of use: a recall that helped restarts the curve,
as rehearsal does.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from agent_market.memory.importance import LEAST
from agent_market.utils.arrays import Floats


def retention(age_s: npt.ArrayLike, half_life_s: npt.ArrayLike) -> Floats:
    """Share left after an age (0 if negative), in [0, 1]; an infinite half-life keeps all."""
    age = np.maximum(np.asarray(age_s, dtype=np.float64), 0.0)
    return np.exp(-math.log(2.0) * age / np.asarray(half_life_s, dtype=np.float64))


def retained(importance: npt.ArrayLike, age_s: npt.ArrayLike, half_life_s: npt.ArrayLike) -> Floats:
    """What is left of an importance of 1-10 after `age_s` seconds, in [1, 10]."""
    above = np.asarray(importance, dtype=np.float64) - LEAST
    return LEAST + above * retention(age_s, half_life_s)
