"""Several models as one: stacking on out-of-fold predictions, and blending on a later part of the rows.

Both give each member a weight of 0 or more by least squares on predictions that the member made for rows
later than all that it had learned from (Wolpert 1992; Breiman 1996 for the sign): an ordinary shuffled fold
would score a member on rows whose neighbours it was fitted on.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy.optimize import nnls

from agent_market.config import Settings
from agent_market.errors import DataError
from agent_market.training.models.base import BaseModelAdapter, Progress
from agent_market.training.models.registry import make_model, model_from_bytes
from agent_market.training.models.samples import Samples
from agent_market.utils.arrays import Floats, Ints


class Member(Settings):
    """One model of an ensemble."""

    model: str
    """Name in the registry."""
    params: Mapping[str, Any] = Field(default_factory=dict)
    """Parameters of the model, laid over its defaults."""


_TREES = (Member(model="lightgbm"), Member(model="xgboost"), Member(model="catboost"))


class EnsembleSettings(Settings):
    """Settings shared by both ensembles."""

    members: tuple[Member, ...] = Field(default=_TREES, min_length=2)
    """The models, two or more."""
    gap: int = Field(default=24, ge=0)
    """Rows of each group dropped before the rows that members are scored on: at least the label horizon."""


class StackingSettings(EnsembleSettings):
    """Members are scored on `folds` spans, each after a fit on all rows before it; the final fit uses all."""

    folds: int = Field(default=4, ge=2, le=20)
    """Number of spans; the first is used for fitting only."""


class BlendingSettings(EnsembleSettings):
    """Members are fitted on the older rows and scored once on the newer ones."""

    share: float = Field(default=0.25, gt=0, lt=1)
    """Share of the rows that members are scored on and not fitted on."""


class _Ensemble(BaseModelAdapter[Any]):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.members: tuple[BaseModelAdapter[Any], ...] = ()
        self.weights: Floats = np.zeros(0)

    @property
    def window(self) -> int:
        return max(self._new(member).window for member in self.settings.members)

    def _new(self, member: Member) -> BaseModelAdapter[Any]:
        return make_model(member.model, member.params, self.task)

    def _fitted(self, train: Samples, validation: Samples | None) -> tuple[BaseModelAdapter[Any], ...]:
        return tuple(self._new(member).fit(train, validation) for member in self.settings.members)

    def _predictions(self, models: tuple[BaseModelAdapter[Any], ...], samples: Samples) -> Floats:
        """Return (rows x outputs, members): the predictions, one column per member."""
        return np.column_stack(
            [self._prediction(m, samples.features, samples.groups).ravel() for m in models]
        )

    def _prediction(self, model: BaseModelAdapter[Any], features: Floats, groups: Ints | None) -> Floats:
        if self.task != "classification":
            return model.predict(features, groups)
        # A class that a member was not fitted on gets probability 0.
        table = np.zeros((len(features), len(self.classes)))
        table[:, list(model.classes)] = model.predict_proba(features, groups)
        return table

    def _weigh(self, predicted: Floats, labels: Floats) -> Floats:
        wanted = labels
        if self.task == "classification":
            wanted = np.eye(len(self.classes))[labels.astype(int)].ravel()
        weights, _ = nnls(predicted, wanted)
        if not weights.any():
            # No member helps: weigh all members equally.
            return np.full(predicted.shape[1], 1.0 / predicted.shape[1])
        return weights / weights.sum() if self.task == "classification" else weights

    def _outputs(self, features: Floats, groups: Ints | None) -> Floats:
        said = [self._prediction(model, features, groups) for model in self.members]
        total: Floats = sum((w * s for w, s in zip(self.weights, said, strict=True)), np.zeros_like(said[0]))
        return total

    def _body(self) -> bytes:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            parts = {"weights": json.dumps(self.weights.tolist()).encode()}
            parts |= {f"member-{n}": model.to_bytes() for n, model in enumerate(self.members)}
            for name, content in parts.items():
                archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content)
        return packed.getvalue()

    def _restore(self, body: bytes) -> None:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            self.weights = np.array(json.loads(archive.read("weights")))
            self.members = tuple(
                model_from_bytes(archive.read(f"member-{n}")) for n in range(len(self.weights))
            )


class StackingAdapter(_Ensemble):
    """Ensemble weighted by the members' out-of-fold predictions of later rows."""

    name: ClassVar[str] = "stacking"
    settings_type = StackingSettings

    def _fit(self, train: Samples, validation: Samples | None, warm: bool, progress: Progress | None) -> None:
        place = places(train)
        predicted, labels = [], []
        for fold in range(1, self.settings.folds):
            begin, end = fold / self.settings.folds, (fold + 1) / self.settings.folds
            earlier, later = cut(train, place, begin, end, self.settings.gap)
            predicted.append(self._predictions(self._fitted(earlier, None), later))
            labels.append(later.labels)
            if progress is not None:
                progress(
                    fold, float(np.mean((predicted[-1].mean(axis=1) - _flat(labels[-1], predicted[-1])) ** 2))
                )
        weights = self._weigh(np.concatenate(predicted), np.concatenate(labels))
        self.members, self.weights = self._fitted(train, validation), weights


class BlendingAdapter(_Ensemble):
    """Ensemble weighted once on the newest rows, which are held out from the members."""

    name: ClassVar[str] = "blending"
    settings_type = BlendingSettings

    def _fit(self, train: Samples, validation: Samples | None, warm: bool, progress: Progress | None) -> None:
        earlier, later = cut(train, places(train), 1.0 - self.settings.share, 1.0, self.settings.gap)
        members = self._fitted(earlier, validation)
        weights = self._weigh(self._predictions(members, later), later.labels)
        self.members, self.weights = members, weights


def places(samples: Samples) -> Floats:
    """Return (N,) the position of each row in time, in [0, 1): by `times`, or by its rank in its group."""
    if samples.times is not None:
        kinds, rank = np.unique(samples.times, return_inverse=True)
        return rank / len(kinds)
    place = np.empty(len(samples))
    groups = np.zeros(len(samples), dtype=np.int64) if samples.groups is None else samples.groups
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        place[members] = np.arange(len(members)) / len(members)
    return place


def cut(train: Samples, place: Floats, begin: float, end: float, gap: int) -> tuple[Samples, Samples]:
    """Return the rows before `begin`, without their newest `gap` times, and the rows in [begin, end).

    :raises DataError: either part would have too few rows.
    """
    moments = np.unique(place)
    first = int(np.searchsorted(moments, begin))
    edge = moments[max(first - gap, 0)] if first - gap > 0 else -1.0
    early: npt.NDArray[np.bool_] = place < edge
    late: npt.NDArray[np.bool_] = (place >= begin) & (place < end)
    if early.sum() < 2 or late.sum() < 2:
        raise DataError(
            f"{len(train)} rows are too few for an ensemble with a gap of {gap} rows; "
            "give more rows, or a smaller `gap` or number of folds"
        )
    return train.rows(early), train.rows(late)


def _flat(labels: Floats, predicted: Floats) -> Floats:
    copies = len(predicted) // len(labels)
    return labels if copies == 1 else np.eye(copies)[labels.astype(int)].ravel()
