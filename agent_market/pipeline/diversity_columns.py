"""How alike the agents have been of late, as known at each row: two columns for the nets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from agent_market.agents.diagnostics.diversity import depth_table, error_table, mean_correlation
from agent_market.config import DecisionSettings
from agent_market.records import Episode
from agent_market.utils.arrays import Floats

NAMES = ("depth_correlation", "error_correlation")
WINDOW = 60
"""Decisions, and outcomes, that a correlation is taken over."""


def recent_correlations(
    decided: Sequence[Episode],
    settled: Sequence[Episode],
    agents: Sequence[str],
    settings: DecisionSettings,
    closes_s: npt.NDArray[np.int64],
) -> Floats:
    """(T, 2) mean pairwise correlation of depths and of errors, at the decision that holds at each close.

    Depths are those of the `WINDOW` decisions that end with it, errors those of the newest `WINDOW` outcomes
    known when it was made. 0 where no decision has been made or nothing is known: unknown and unrelated look
    the same to a net.

    :param decided: episodes in order of `asof`.
    :param settled: episodes with outcome, in order of its `known_at`.
    :param closes_s: (T,) ascending, seconds since the epoch.
    """
    asofs = np.array([int(e.view.asof.timestamp()) for e in decided], dtype=np.int64)
    known = np.array([int(e.outcome.known_at.timestamp()) for e in settled if e.outcome], dtype=np.int64)
    which = np.searchsorted(asofs, closes_s, side="right")
    counts = np.unique(which[which > 0])
    values = np.zeros((len(closes_s), len(NAMES)))
    if not len(counts):
        return values
    outcomes = np.searchsorted(known, asofs[counts - 1], side="right")
    depths = _Trailing(depth_table, decided, counts, agents)
    errors = _Trailing(partial(error_table, settings=settings), settled, outcomes, agents)
    for count, outcome in zip(counts.tolist(), outcomes.tolist(), strict=True):
        values[which == count] = [depths.correlation(count), errors.correlation(outcome)]
    return values


class _Trailing:
    """The mean correlation over the `WINDOW` episodes before a place; each episode is tabled once."""

    def __init__(
        self,
        table: Callable[[Sequence[Episode], Sequence[str]], Floats],
        episodes: Sequence[Episode],
        ends: npt.NDArray[np.intp],
        agents: Sequence[str],
    ) -> None:
        self._first = max(0, int(ends.min()) - WINDOW)
        self._table = table(episodes[self._first : int(ends.max())], agents)

    def correlation(self, end: int) -> float:
        return mean_correlation(self._table[max(0, end - WINDOW - self._first) : end - self._first]) or 0.0
