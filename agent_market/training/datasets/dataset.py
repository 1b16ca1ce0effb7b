"""Rows of features with dated labels, and their conversion for each library."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
import numpy.typing as npt
import pandas as pd

from agent_market.errors import DataError
from agent_market.training.models.libraries import library
from agent_market.training.models.samples import Samples
from agent_market.utils.arrays import Floats, Ints

if TYPE_CHECKING:
    from torch.utils.data import TensorDataset


@dataclass(frozen=True, slots=True)
class Dataset:
    """N rows in order of time, then pair.

    `features` (N, F) finite; `labels` (N, L), NaN where not known; `known_at` (N, L) epoch seconds
    (UTC) at which each label became known; `asof` (N,) epoch seconds of the close of the row's candle;
    `pair` (N,) its pair. All indices are 0 .. N-1.
    """

    features: pd.DataFrame
    labels: pd.DataFrame
    known_at: pd.DataFrame
    asof: Ints
    pair: npt.NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.asof)

    @property
    def pairs(self) -> tuple[str, ...]:
        """The pairs that have rows, sorted."""
        return tuple(sorted(set(self.pair.tolist())))

    def digest(self) -> str:
        """Return the sha256 of all values; another candle, feature or label gives another digest."""
        digest = hashlib.sha256(self.asof.tobytes() + "\n".join(self.pair.tolist()).encode())
        for part in (self.features, self.labels, self.known_at):
            digest.update("\n".join(map(str, part.columns)).encode())
            digest.update(np.ascontiguousarray(part.to_numpy()).tobytes())
        return digest.hexdigest()

    def rows(self, chosen: npt.NDArray[np.bool_] | Ints | slice) -> Dataset:
        """The chosen rows, in their order."""
        features, labels, known = (
            part[chosen].reset_index(drop=True)
            if not _numbers(chosen)
            else part.take(chosen).reset_index(drop=True)
            for part in (self.features, self.labels, self.known_at)
        )
        return Dataset(features, labels, known, self.asof[chosen], self.pair[chosen])

    def labelled(self, label: str) -> Dataset:
        """Return the rows whose label is known.

        :raises DataError: the dataset has no such label.
        """
        if label not in self.labels:
            raise DataError(f"the dataset has no label {label!r}; it has {', '.join(self.labels.columns)}")
        return self.rows(self.labels[label].notna().to_numpy())

    def between(self, start_s: int, end_s: int) -> Dataset:
        """Return the rows with start <= asof < end."""
        return self.rows((self.asof >= start_s) & (self.asof < end_s))

    def purged_split(self, label: str, test_share: float, embargo_s: int = 0) -> tuple[Dataset, Dataset]:
        """Split in time: older rows to train on, and the newest `test_share` of the times to test on.

        Every training label was known at least `embargo_s` seconds before the first test row's decision
        (Lopez de Prado 2018, ch. 7).

        :raises DataError: one of the two parts would be empty.
        """
        if not 0.0 < test_share < 1.0:
            raise DataError(f"test_share must lie between 0 and 1 (both excluded), got {test_share}")
        known = self.labelled(label)
        moments = np.unique(known.asof)
        first = int(np.ceil(len(moments) * (1.0 - test_share)))
        if not 0 < first < len(moments):
            raise DataError(
                f"{len(moments)} times are too few for a test share of {test_share}; use a longer span"
            )
        begin = int(moments[first])
        train = known.rows(known.known_before(label, begin - embargo_s) & (known.asof < begin))
        if not len(train):
            raise DataError(
                f"no label {label} is known {embargo_s} s before the test rows; use a longer span"
            )
        return train, known.rows(known.asof >= begin)

    def known_before(self, label: str, moment_s: int) -> npt.NDArray[np.bool_]:
        """Return (N,) whether the label was known at that time."""
        return self.known_at[label].to_numpy() <= moment_s

    def every(self, candles: int, timeframe_s: int, offset: int = 0) -> Dataset:
        """Keep times `candles` apart, counted from the epoch; labels of that horizon do not overlap."""
        return self.rows((self.asof // timeframe_s - offset) % candles == 0)

    def sampled(self, rows: int, seed: int) -> Dataset:
        """Draw `rows` rows (or all) without replacement, kept in order."""
        if rows >= len(self):
            return self
        chosen = np.random.default_rng(seed).choice(len(self), rows, replace=False)
        return self.rows(np.sort(chosen))

    # --- for the libraries -----------------------------------------------------------------------

    def to_numpy(self, label: str) -> tuple[Floats, Floats]:
        """Return (N, F) features and (N,) labels of the rows whose label is known."""
        known = self.labelled(label)
        return known.features.to_numpy(dtype=np.float64), known.labels[label].to_numpy(dtype=np.float64)

    def to_pandas(self, label: str) -> pd.DataFrame:
        """Return features, label, `asof` (UTC) and `pair` as one frame, for rows whose label is known."""
        known = self.labelled(label)
        asof = pd.to_datetime(known.asof, unit="s", utc=True)
        dates = pd.DataFrame({"asof": asof, "pair": known.pair})
        return pd.concat([known.features, known.labels[[label]], dates], axis=1)

    def to_torch(self, label: str, device: str = "cpu") -> TensorDataset:
        """Return float32 tensors (N, F) and (N,) of the rows whose label is known."""
        torch: Any = library("torch", "Dataset.to_torch")
        features, values = self.to_numpy(label)
        parts = (torch.tensor(part, dtype=torch.float32, device=device) for part in (features, values))
        dataset: TensorDataset = torch.utils.data.TensorDataset(*parts)
        return dataset

    def samples(self, label: str) -> Samples:
        """Return `Samples` for `training.models`, with pairs as groups and dated rows."""
        known = self.labelled(label)
        features, values = known.to_numpy(label)
        return Samples(features, values, None, known.groups(), known.asof)

    def groups(self) -> Ints:
        """(N,) index of each row's pair in `pairs`."""
        groups: Ints = np.unique(self.pair.astype(str), return_inverse=True)[1].astype(np.int64)
        return groups


def joined(parts: Sequence[Dataset]) -> Dataset:
    """Join datasets of the same columns into one, in order of time, then pair.

    :raises DataError: no rows at all, or the columns differ.
    """
    if not parts:
        raise DataError("no rows: every candle lacked a feature; use a longer span, or check the candles")
    for part in parts[1:]:
        if list(part.features.columns) != list(parts[0].features.columns):
            odd = set(part.features.columns) ^ set(parts[0].features.columns)
            raise DataError(
                f"pairs have different features ({', '.join(sorted(odd)[:5])}); name them without the pair"
            )
    asof = np.concatenate([part.asof for part in parts])
    pair = np.concatenate([part.pair for part in parts])
    order = np.lexsort((pair.astype(str), asof))
    features, labels, known = (
        pd.concat([getattr(part, name) for part in parts], ignore_index=True)
        for name in ("features", "labels", "known_at")
    )
    return Dataset(features, labels, known, asof, pair).rows(order)


def _numbers(chosen: object) -> TypeGuard[Ints]:
    return isinstance(chosen, np.ndarray) and chosen.dtype != np.bool_
