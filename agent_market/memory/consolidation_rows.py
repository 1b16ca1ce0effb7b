"""Memory state of each episode in columns, and its conversion to one record."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from agent_market.memory.importance import ImportanceEvidence, usefulness
from agent_market.memory.layers import Standing
from agent_market.records import Episode, Layer
from agent_market.utils.arrays import Floats, Ints

LAYERS = tuple(Layer)
WORKING, SHORT, LONG, EPISODIC, ARCHIVE = range(len(LAYERS))
"""Layers as numbers, for columns."""


class Rows:
    """What is held of each episode, a column each; spare room behind the last."""

    __slots__ = ("helped", "importance", "judged", "known", "layer", "novelty", "size", "surprise", "used")

    def __init__(self, room: int) -> None:
        self.known = np.zeros(room, dtype=np.int64)
        self.used = np.zeros(room, dtype=np.int64)  # last known to have helped, or become known
        self.surprise = np.zeros(room)
        self.size = np.zeros(room)
        self.novelty = np.zeros(room)
        self.judged = np.zeros(room, dtype=np.int64)
        self.helped = np.zeros(room, dtype=np.int64)
        self.importance = np.zeros(room)
        self.layer = np.zeros(room, dtype=np.int64)

    def widened(self, room: int) -> Rows:
        """These rows with more room."""
        wider = Rows(room)
        for name in self.__slots__:
            old = getattr(self, name)
            getattr(wider, name)[: len(old)] = old
        return wider


def standings(
    episodes: Iterable[Episode], rows: Rows, layers: Ints, left: Floats, size: Floats, rarity: Floats
) -> tuple[Standing, ...]:
    """What is held of each of `episodes`, the first rows in their order.

    :param left: importance that decay left of each.
    :param size: rank of the outcome's size among all, in [0, 1]; `rarity` that of the state, NaN = unknown.
    """
    return tuple(
        Standing(
            episode_id=episode.id,
            asof=episode.view.asof,
            layer=LAYERS[layers[i]],
            importance=float(rows.importance[i]),
            retained=float(left[i]),
            evidence=ImportanceEvidence(
                _known(rows.surprise[i]),
                float(size[i]),
                _known(rarity[i]),
                usefulness(float(rows.helped[i]), float(rows.judged[i])),
            ),
            judged=int(rows.judged[i]),
            helped=int(rows.helped[i]),
        )
        for i, episode in enumerate(episodes)
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
