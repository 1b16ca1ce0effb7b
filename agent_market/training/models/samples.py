"""The input of a model: rows of features with labels, validated before a library uses them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from agent_market.errors import DataError
from agent_market.utils.arrays import Floats, Ints


@dataclass(frozen=True, slots=True)
class Samples:
    """Training or test rows of one or several pairs.

    `features` (N, F) and `labels` (N,), both finite; `weights` (N,) >= 0 and not all 0, None weighs all rows
    equally; `groups` (N,) whole numbers, the same for rows of one time series (one pair): a
    model with a window never uses rows of another group.  None is one group.  `times` (N,) epoch
    seconds of each row, for models that split the rows in time (ensembles); None: all groups cover the same
    span.

    :raises DataError: a value is invalid; the message names the first such row and column.
    """

    features: Floats
    labels: Floats
    weights: Floats | None = None
    groups: Ints | None = None
    times: Ints | None = None

    def __post_init__(self) -> None:
        features = checked_features(self.features)
        rows = len(features)
        if rows < 2:
            raise DataError(f"a model needs at least 2 rows, got {rows}; use a longer span")
        object.__setattr__(self, "features", features)
        object.__setattr__(self, "labels", _checked_column(self.labels, rows, "labels"))
        if self.weights is not None:
            weights = _checked_column(self.weights, rows, "weights")
            if (weights < 0.0).any() or not weights.any():
                raise DataError("weights must be 0 or more, with at least one above 0")
            object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "groups", checked_groups(self.groups, rows))
        object.__setattr__(self, "times", checked_groups(self.times, rows, "times"))

    def __len__(self) -> int:
        return len(self.labels)

    def rows(self, chosen: npt.NDArray[np.bool_] | Ints | slice) -> Samples:
        """Return the chosen rows, in their order."""
        return Samples(
            self.features[chosen],
            self.labels[chosen],
            None if self.weights is None else self.weights[chosen],
            None if self.groups is None else self.groups[chosen],
            None if self.times is None else self.times[chosen],
        )


def checked_features(values: npt.ArrayLike, width: int | None = None) -> Floats:
    """Validate features and return them as (N, F) C-ordered float64.

    :param width: the F that a fitted model expects; None takes any F of 1 or more.
    :raises DataError: a wrong shape, text, NaN or infinity.
    """
    table = _as_floats(values, "features")
    if table.ndim != 2 or table.shape[1] == 0:
        raise DataError(
            f"features must be (rows, columns), got shape {table.shape}; reshape one row as (1, F)"
        )
    if width is not None and table.shape[1] != width:
        raise DataError(
            f"the model was fitted on {width} features and got {table.shape[1]}; "
            "give it the same columns in the same order"
        )
    bad = ~np.isfinite(table)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise DataError(
            f"features hold {table[row, column]} in row {row}, column {column} ({int(bad.sum())} in "
            "all); drop these rows, as FreqAI does, before the model sees them"
        )
    return table


def checked_groups(groups: npt.ArrayLike | None, rows: int, name: str = "groups") -> Ints | None:
    """Validate groups (or times) and return them as (N,) int64.

    :raises DataError: another length, or values that are not whole numbers.
    """
    if groups is None:
        return None
    values = np.asarray(groups)
    if values.shape != (rows,) or not np.issubdtype(values.dtype, np.integer):
        raise DataError(f"{name} must be {rows} whole numbers, got {values.dtype} of shape {values.shape}")
    return values.astype(np.int64)


def _checked_column(values: npt.ArrayLike, rows: int, name: str) -> Floats:
    column = _as_floats(values, name)
    if column.shape != (rows,):
        raise DataError(f"{name} must have shape ({rows},), one for each row of features; got {column.shape}")
    bad = ~np.isfinite(column)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise DataError(f"{name} hold {column[row]} in row {row}; drop rows whose outcome is not known")
    return column


def _as_floats(values: npt.ArrayLike, name: str) -> Floats:
    try:
        return np.ascontiguousarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} are not numeric: {error}") from error
