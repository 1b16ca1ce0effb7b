"""Memory as features of a model: what followed the candles most like this one, as a datasieve transform.

It goes first in a FreqAI feature pipeline, fills its memory from the training rows, and puts the columns of
`NEIGHBOUR_FEATURES` in place of the column `CANDLE`, by which it knows the order of rows.  A row sees only
rows whose target was known by then, in training as in prediction: row i sees rows j <= i - horizon.  The
memory travels with the pipeline, so a backtest and the live bot answer alike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from datasieve.transforms.base_transform import BaseTransform

from agent_market.errors import DataError
from agent_market.features.state import STATE_FEATURES, state_matrix
from agent_market.memory.index.vectors import PointInTimeVectors
from agent_market.utils.arrays import Floats, Ints

PREFIX = "%-"
CANDLE = f"{PREFIX}memory_candle"
"""Input column: number of the row's candle, any origin; gaps count."""

NEIGHBOUR_FEATURES = tuple(
    f"{PREFIX}memory_{name}" for name in ("mean", "win_rate", "dispersion", "distance", "sample")
)
"""Mean target of the nearest rows; share of them above 0; their standard deviation; their mean distance (root
mean square per number of the state); how many independent ones they amount to (see `effective_sample`)."""

_UNKNOWN = (0.0, 0.5, 1.0, 2.0, 0.0)
_NEEDED = (*STATE_FEATURES, "volatility_24")


class NeighbourFeatures(BaseTransform):
    """Adds `NEIGHBOUR_FEATURES` and takes `CANDLE` away. Needs the trained features as they are, unscaled.

    With fewer than `neighbours` rows known, the five are those of an ordinary candle that nothing is known
    about: 0, 1/2, 1 (targets are in units of their expected deviation), 2 (the largest possible), and 0.
    """

    def __init__(self, horizon: int, neighbours: int) -> None:
        """
        :param horizon: candles after which the target of a row is known, at least 1.
        :param neighbours: how many of the nearest rows are looked at, at least 2.
        """
        super().__init__(name="neighbour_features")
        self._horizon = horizon
        self._neighbours = neighbours
        self._memory: PointInTimeVectors | None = None
        self._targets: Floats = np.zeros(0)

    def fit(
        self, X: Any, y: Any = None, sample_weight: Any = None, feature_list: Any = None, **kwargs: Any
    ) -> tuple[Any, Any, Any, Any]:
        """Remember the rows of X with their target, the first column of y.

        :raises DataError: a column is missing, or there is no target.
        """
        if y is None:
            raise DataError("memory features need the training target, got none; fit with labels")
        rows = np.asarray(X, dtype=np.float64)
        candles = _candles(rows, feature_list)
        states = _states(rows, feature_list)
        targets = np.asarray(y, dtype=np.float64).reshape(len(rows), -1)[:, 0]
        sound = np.isfinite(states).all(axis=1) & np.isfinite(targets)
        order = np.flatnonzero(sound)[np.argsort(candles[sound], kind="stable")]
        known_at = candles[order] + self._horizon
        self._memory = PointInTimeVectors.over(known_at, np.arange(len(order)), states[order])
        self._targets = targets[order]
        return X, y, sample_weight, feature_list

    def transform(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        feature_list: Any = None,
        outlier_check: bool = False,
        **kwargs: Any,
    ) -> tuple[Any, Any, Any, Any]:
        """The five columns for each row, behind the others."""
        rows = np.asarray(X, dtype=np.float64)
        names = list(feature_list)
        kept = [i for i, name in enumerate(names) if name != CANDLE]
        found = self._describe(_states(rows, names), _candles(rows, names))
        wider = np.column_stack([rows[:, kept], found])
        return wider, y, sample_weight, [*(names[i] for i in kept), *NEIGHBOUR_FEATURES]

    def _describe(self, states: npt.NDArray[np.float32], candles: Ints) -> Floats:
        features = np.tile(_UNKNOWN, (len(states), 1))
        memory, k = self._memory, self._neighbours
        sound = np.flatnonzero(np.isfinite(states).all(axis=1))
        if memory is None or not len(memory) or not len(sound):
            return features
        distances, places = memory.search(states[sound], candles[sound], k)
        full = places[:, -1] >= 0
        distances, places, answered = distances[full], places[full], sound[full]
        targets = self._targets[places]
        features[answered, 0] = targets.mean(axis=1)
        features[answered, 1] = (targets > 0.0).mean(axis=1)
        features[answered, 2] = targets.std(axis=1, ddof=1)
        features[answered, 3] = distances.mean(axis=1) / math.sqrt(memory.dim)
        features[answered, 4] = effective_sample(memory.known_at[places], self._horizon)
        return features


def effective_sample(moments: Ints, horizon: int) -> Floats:
    """(n,) how many independent outcomes k overlapping ones amount to, from 1 to k.

    k^2 / sum over i, j of max(0, 1 - |t_i - t_j| / horizon): outcomes over the same `horizon` candles are
    correlated by the share of it that they have in common, as sums of independent returns are, and the
    variance of their mean is that sum / k^2.

    :param moments: (n, k) candle numbers.
    """
    k = moments.shape[1]
    total = np.zeros(len(moments))
    for i in range(k):
        apart = np.abs(moments - moments[:, i : i + 1])
        total += np.maximum(0.0, 1.0 - apart / horizon).sum(axis=1)
    return k * k / total


def _candles(rows: Floats, names: Sequence[str]) -> Ints:
    return np.rint(rows[:, _column(CANDLE, list(names))]).astype(np.int64)


def _states(rows: Floats, names: Sequence[str]) -> npt.NDArray[np.float32]:
    listed = list(names)
    columns = {name: rows[:, _column(f"{PREFIX}{name}", listed)] for name in _NEEDED}
    return state_matrix(pd.DataFrame(columns))


def _column(name: str, names: list[str]) -> int:
    if name not in names:
        raise DataError(f"memory features need the column {name!r}; got {', '.join(map(str, names))}")
    return names.index(name)
