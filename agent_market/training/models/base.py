"""The contract of every model, in one place: what a new adapter has to keep, and what its caller may
count on.
"""

from __future__ import annotations

import io
import json
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, Self, TypeVar

import numpy as np
import numpy.typing as npt

from agent_market.config import Settings, parse_settings
from agent_market.errors import ConfigError, DataError, TrainingFailed
from agent_market.training.models.samples import Samples, checked_features, checked_groups
from agent_market.utils.arrays import Floats, Ints
from agent_market.utils.durable import replace_bytes

Task = Literal["regression", "classification", "policy"]
S = TypeVar("S", bound=Settings)
Progress = Callable[[int, float], None]
"""Called with (epoch or round, loss on the validation rows)."""

FORMAT = "agent-market/model/1"
_META = "model.json"
_BODY = "body"


class BaseModelAdapter(ABC, Generic[S]):
    """One library's model behind the same five calls.  A subclass writes `_fit`, `_outputs`, `_body`,
    `_restore`.

    **Shapes.** `fit` takes `Samples` of (N, F) features and (N,) labels; `predict` takes (M, F) and gives
    (M,), row i for row i, and never looks at a row after i of the same group: a prediction is as causal as
    its features.

    **Tasks.** `regression`: any finite labels; `predict` is in their units.  `classification`: labels are
    whole numbers, of at least two kinds; `classes` lists them sorted, `predict_proba` gives (M, K) rows that
    sum to 1, and `predict` the class of the largest.  `policy`: labels are what a position of 1 held over
    the row would have earned (`LabelSettings(kind="reward")`); `predict` is a position in [-1, 1].

    **Refusals.** NaN, infinity, text, another number of columns than in `fit`, or `predict` before `fit`
    raise `DataError` before the library sees anything; the message names row, column and what to do.  A
    library that fails in `fit` raises `TrainingFailed`, and what was fitted before stays.

    **Determinism.** The same settings (they hold the seed), rows and library give the same predictions, on
    the CPU, on any number of runs.  CUDA is repeatable only as far as its kernels are.  Labels are never
    shuffled across the validation rows: those are later in time, and only they stop a training early.

    **Saving.** `save` writes one file, `load` gives a model whose predictions are equal bit for bit.  Files
    are loaded only from places that you trust: policies and ensembles of others hold pickled parts.

    **Going on.** `fit(..., warm=True)` continues from what was learned where the library can
    (`incremental`), and is refused elsewhere.
    """

    name: ClassVar[str]
    """Name in the registry."""
    settings_type: ClassVar[type[Settings]]
    """The typed settings, with a sound default for each."""
    tasks: ClassVar[tuple[Task, ...]] = ("regression", "classification")
    incremental: ClassVar[bool] = False
    """Whether `fit(warm=True)` continues an earlier fit."""

    def __init__(self, settings: S | None = None, task: Task = "regression") -> None:
        """:raises ConfigError: the model has no such task."""
        if task not in self.tasks:
            raise ConfigError(f"model {self.name} cannot do {task!r}; it does {', '.join(self.tasks)}")
        chosen = settings if settings is not None else self.settings_type()
        self.settings: S = chosen  # type: ignore[assignment]
        self.task: Task = task
        self.width: int | None = None
        self.classes: tuple[int, ...] = ()

    # --- what callers use -----------------------------------------------------------------------------

    @property
    def window(self) -> int:
        """Rows, the newest last, that one prediction looks at; before the first whole window the first row
        repeats.
        """
        return 1

    def fit(
        self,
        train: Samples,
        validation: Samples | None = None,
        *,
        warm: bool = False,
        progress: Progress | None = None,
    ) -> Self:
        """Learn; see the class for the contract.

        :param validation: rows later than all of `train`, to stop early on; None trains to the end.
        :param warm: continue from the last fit.
        """
        self._check(train, validation, warm)
        classes = self._classes_of(train, warm)
        before = (self.width, self.classes)
        self.width, self.classes = train.features.shape[1], classes
        try:
            self._fit(self._encoded(train), self._encoded_or_none(validation), warm, progress)
        except (DataError, ConfigError):
            self.width, self.classes = before
            raise
        except Exception as error:
            self.width, self.classes = before
            raise TrainingFailed(f"model {self.name}: {type(error).__name__}: {error}") from error
        return self

    def predict(self, features: npt.ArrayLike, groups: npt.ArrayLike | None = None) -> Floats:
        """(M,) predictions; see the class."""
        outputs = self._checked_outputs(features, groups)
        if self.task == "classification":
            return np.asarray(self.classes, dtype=np.float64)[outputs.argmax(axis=1)]
        return outputs

    def predict_proba(self, features: npt.ArrayLike, groups: npt.ArrayLike | None = None) -> Floats:
        """(M, K) probabilities of `classes`.

        :raises ConfigError: the task is not classification.
        """
        if self.task != "classification":
            raise ConfigError(
                f"model {self.name} was made for {self.task}; only classification has probabilities"
            )
        return self._checked_outputs(features, groups)

    def save(self, file: Path) -> None:
        """Write the fitted model into one file, whole or not at all."""
        replace_bytes(file, self.to_bytes())

    def to_bytes(self) -> bytes:
        """The fitted model, as `save` writes it.

        :raises DataError: nothing was fitted.
        """
        self._need_fit()
        meta = {
            "format": FORMAT,
            "name": self.name,
            "task": self.task,
            "width": self.width,
            "classes": self.classes,
            "settings": self.settings.model_dump(mode="json"),
        }
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in ((_META, json.dumps(meta, sort_keys=True).encode()), (_BODY, self._body())):
                # A fixed time: equal models are equal files.
                archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
        return packed.getvalue()

    @classmethod
    def load(cls, file: Path) -> Self:
        """Read what `save` wrote.

        :raises DataError: the file is absent, damaged, or another model's.
        """
        try:
            content = file.read_bytes()
        except OSError as error:
            raise DataError(f"no model at {file}: {error.strerror}") from error
        return cls.from_bytes(content, str(file))

    @classmethod
    def from_bytes(cls, content: bytes, where: str = "the given bytes") -> Self:
        """The reverse of `to_bytes`."""
        meta, body = unpacked(content, where)
        if meta["name"] != cls.name:
            raise DataError(
                f"{where} holds a model {meta['name']!r}, not {cls.name!r}; use models.registry.load_model"
            )
        settings: Any = parse_settings(cls.settings_type, meta["settings"], cls.name)
        model = cls(settings, meta["task"])
        model.width, model.classes = meta["width"], tuple(meta["classes"])
        model._restore(body)
        return model

    def __getstate__(self) -> dict[str, bytes]:
        return {"bytes": self.to_bytes()}

    def __setstate__(self, state: dict[str, bytes]) -> None:
        self.__dict__.update(type(self).from_bytes(state["bytes"]).__dict__)

    # --- what an adapter writes -----------------------------------------------------------------------

    @abstractmethod
    def _fit(self, train: Samples, validation: Samples | None, warm: bool, progress: Progress | None) -> None:
        """Learn from checked rows. Classes come as 0 .. K-1. If this fails, what was fitted stays."""

    @abstractmethod
    def _outputs(self, features: Floats, groups: Ints | None) -> Floats:
        """(M,) values or positions; in classification (M, K) probabilities."""

    @abstractmethod
    def _body(self) -> bytes:
        """What was learned, as bytes."""

    @abstractmethod
    def _restore(self, body: bytes) -> None:
        """The reverse of `_body`; settings, task, width and classes are there already."""

    # --- checks ---------------------------------------------------------------------------------------

    def _check(self, train: Samples, validation: Samples | None, warm: bool) -> None:
        if validation is not None and validation.features.shape[1] != train.features.shape[1]:
            raise DataError(
                f"training rows have {train.features.shape[1]} features and validation rows "
                f"{validation.features.shape[1]}; give both the same columns"
            )
        if not warm:
            return
        if not self.incremental:
            raise ConfigError(f"model {self.name} cannot continue an earlier fit; fit it anew (warm=False)")
        self._need_fit()
        checked_features(train.features, self.width)

    def _classes_of(self, train: Samples, warm: bool) -> tuple[int, ...]:
        if self.task != "classification":
            return ()
        kinds = np.unique(train.labels)
        if (kinds != np.round(kinds)).any():
            raise DataError(f"classes must be whole numbers, got {kinds[kinds != np.round(kinds)][0]}")
        if warm:
            new = sorted(set(kinds.astype(int).tolist()) - set(self.classes))
            if new:
                raise DataError(f"classes {new} were not there in the first fit; fit anew (warm=False)")
            return self.classes
        if len(kinds) < 2:
            raise DataError(f"all labels are of class {kinds[0]:g}; a classifier needs two kinds of rows")
        return tuple(kinds.astype(int).tolist())

    def _encoded_or_none(self, samples: Samples | None) -> Samples | None:
        if samples is None or self.task != "classification":
            return samples
        known = np.isin(samples.labels, self.classes)
        return self._encoded(samples.rows(known)) if known.sum() >= 2 else None

    def _encoded(self, samples: Samples) -> Samples:
        if self.task != "classification":
            return samples
        places = np.searchsorted(self.classes, samples.labels).astype(np.float64)
        return replace(samples, labels=places)

    def _need_fit(self) -> None:
        if self.width is None:
            raise DataError(f"model {self.name} has learned nothing yet; call fit first")

    def _checked_outputs(self, features: npt.ArrayLike, groups: npt.ArrayLike | None) -> Floats:
        self._need_fit()
        table = checked_features(features, self.width)
        if not len(table):
            return np.zeros((0, len(self.classes)) if self.task == "classification" else 0)
        outputs = np.asarray(self._outputs(table, checked_groups(groups, len(table))), dtype=np.float64)
        if len(outputs) != len(table) or not np.isfinite(outputs).all():
            raise TrainingFailed(
                f"model {self.name} gave {outputs.shape} for {len(table)} rows, or NaN; "
                "it has diverged: lower its learning rate"
            )
        return outputs


def unpacked(content: bytes, where: str) -> tuple[Mapping[str, Any], bytes]:
    """Description and body of a saved model.

    :raises DataError: it is none.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            meta = json.loads(archive.read(_META))
            if meta["format"] != FORMAT:
                raise DataError(
                    f"{where} has format {meta['format']!r}, this version reads {FORMAT!r}; train anew"
                )
            return meta, archive.read(_BODY)
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise DataError(f"{where} is no saved model ({error}); train and save it anew") from error
