"""What memory thinks: the mean outcome of similar episodes, weighed by how sure that mean is.

    t = mean / (s / sqrt(n))            s = sample standard deviation of the n nearest returns
    depth = 10 tanh(t / 2)              confidence = share of the n whose sign is that of the mean

t is Student's statistic of "the mean is zero", so the depth is free of the market's scale: t = 1
(might be luck) gives 4.6, t = 2 (the usual 5 % line for many neighbours) 7.6, t = 3 gives 9.1.
"""

from __future__ import annotations

import math
from functools import reduce
from operator import add

import numpy as np
import numpy.typing as npt

from agent_market.config import MemorySettings
from agent_market.records import DEPTH_LIMIT, AgentView, Recall

AGENT = "memory"

_FEWEST_FOR_A_DEVIATION = 2


def memory_depth(
    returns: npt.NDArray[np.float64], counts: npt.NDArray[np.int64], k: int, min_neighbours: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Depth and confidence of the memory agent for T moments at once.

    :param returns: (T, K) market returns of the recalled episodes, best rank first; what stands at and
        beyond `counts[t]` in row t (NaN, say) is not read.
    :param counts: (T,) how many were recalled; NaN counts as none.
    :param k: how many of the nearest are used, at least 1.
    :param min_neighbours: with fewer recalled than this the agent abstains; and always below 2.
    :returns: depth (T,) in [-10, 10] and confidence (T,) in [0, 1]. Both are 0 where the agent
        abstains (see `memory_awake`). Equal returns give the limit: depth +-10, or 0 if all are 0.
    """
    returns = np.asarray(returns, dtype=np.float64)[:, :k]
    counts = np.nan_to_num(np.asarray(counts, dtype=np.float64))
    used = np.minimum(counts, returns.shape[1])
    awake = memory_awake(counts, min_neighbours) & (used >= _FEWEST_FOR_A_DEVIATION)
    n = np.where(awake, used, _FEWEST_FOR_A_DEVIATION)
    mask = np.arange(returns.shape[1]) < n[:, None]
    inside = np.where(mask & awake[:, None], returns, 0.0)
    mean = _row_sum(inside) / n
    deviation = np.where(mask, inside - mean[:, None], 0.0)
    error = np.sqrt(_row_sum(deviation * deviation) / (n - 1.0) / n)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(mean == 0.0, 0.0, mean / error)
    depth = DEPTH_LIMIT * np.tanh(t / 2.0)
    agreeing = np.where(mask, np.sign(inside) == np.sign(mean)[:, None], False).sum(axis=1)
    confidence = np.where(mean == 0.0, 0.0, agreeing / n)
    return np.where(awake, depth, 0.0), np.where(awake, confidence, 0.0)


def memory_awake(counts: npt.ArrayLike, min_neighbours: int) -> npt.NDArray[np.bool_]:
    """(T,) whether enough episodes were recalled for an opinion; NaN counts as none."""
    return np.asarray(counts, dtype=np.float64) >= max(min_neighbours, _FEWEST_FOR_A_DEVIATION)


def _row_sum(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Row sums from left to right: zeros to the right then change no bit, whatever the width."""
    return np.cumsum(values, axis=1)[:, -1]


def memory_view(recall: Recall, settings: MemorySettings, k: int | None = None) -> AgentView:
    """The view of the agent "memory"; it abstains with fewer than `settings.min_neighbours`.

    :param k: how many neighbours are used, in order of rank; `settings.k` if None. One neighbour has no
        deviation: k = 1 abstains too.
    """
    k = settings.k if k is None else k
    found = recall.neighbours
    count = len(found)
    used = min(k, count)
    if not memory_awake([count], settings.min_neighbours)[0] or used < _FEWEST_FOR_A_DEVIATION:
        return AgentView.abstain(
            AGENT, f"{count} known outcomes, {used} used; needs {max(settings.min_neighbours, 2)}"
        )
    mean, depth, confidence = _opinion([neighbour.market_return for neighbour in found[:used]])
    distances = [neighbour.distance for neighbour in found[:used]]
    return AgentView(
        agent=AGENT,
        depth=depth,
        confidence=confidence,
        belief=f"{used} similar episodes returned {mean:+.2%} on average",
        reasons=(
            f"{confidence:.0%} of them went the way of the mean",
            f"distances {min(distances):.3g} to {max(distances):.3g}",
        ),
    )


def _opinion(returns: list[float]) -> tuple[float, float, float]:
    """Mean, depth and confidence of two or more returns: `memory_depth` for one moment.

    Plain floats, added in the same order, are 10 times as fast here as arrays of one row, and equal
    to the last bit.
    """
    n = len(returns)
    mean = reduce(add, returns) / n
    if mean == 0.0:
        return 0.0, 0.0, 0.0
    error = math.sqrt(reduce(add, [(r - mean) * (r - mean) for r in returns]) / (n - 1.0) / n)
    t = mean / error if error > 0.0 else math.copysign(math.inf, mean)
    agreeing = sum((r > 0.0) == (mean > 0.0) for r in returns if r != 0.0)
    return mean, DEPTH_LIMIT * float(np.tanh(t / 2.0)), agreeing / n
