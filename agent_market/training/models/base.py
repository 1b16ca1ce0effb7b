"""The interface of every model: what an adapter must guarantee and what its caller may rely on."""

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
    """Adapter of one library's model.  A subclass implements `_fit`, `_outputs`, `_body` and `_restore`.

    **Shapes.** `fit` takes `Samples` of (N, F) features and (N,) labels; `predict` takes (M, F) and gives
    (M,), row i for row i, and never looks at a row after i of the same group: a prediction is as causal as
    its features.

    **Tasks.** `regression`: any finite labels; `predict` is in their units.  `classification`: labels are
    whole numbers, of at least two kinds; `classes` lists them sorted, `predict_proba` gives (M, K) rows that
    sum to 1, and `predict` the most probable class.  `policy`: labels are what a position of 1 held over
    the row would have earned (`LabelSettings(kind="reward")`); `predict` is a position in [-1, 1].

    **Errors.** NaN, infinity, text, another number of columns than in `fit`, or `predict` before `fit`
    raise `DataError` before the library sees anything; the message names row, column and what to do.  A
    library that fails in `fit` raises `TrainingFailed`, and the previous fit is kept.

    **Determinism.** The same settings (they hold the seed), rows and library give the same predictions, on
    the CPU, on any number of runs.  CUDA is as repeatable as its kernels.  Labels are never
    shuffled across the validation rows: those are later in time, and only they trigger early stopping.

    **Saving.** `save` writes one file, `load` gives a model whose predictions are equal bit for bit.  Load
    files from trusted sources only: policies and ensembles of them hold pickled parts.

    **Warm start.** `fit(..., warm=True)` continues the previous fit where the library supports it
    (`incremental`), and raises `ConfigError` elsewhere.

    Example::

        model = make_model("lightgbm", {"trees": 100}).fit(train, validation)
        predictions = model.predict(test.features, test.groups)  # (M,)
    """

    name: ClassVar[str]
    """Name in the registry."""
    settings_type: ClassVar[type[Settings]]
    """The typed settings, with a sound default for each."""
    tasks: ClassVar[tuple[Task, ...]] = ("regression", "classification")
    incremental: ClassVar[bool] = False
    """Whether `fit(warm=True)` continues an earlier fit."""

    def __init__(self, settings: S | None = None, task: Task = "regression") -> None:
        """Create an unfitted model.

        :raises ConfigError: the model does not support the task.
        """
        if task not in self.tasks:
            raise ConfigError(
                f"model {self.name} does not support task {task!r}; use one of {', '.join(self.tasks)}"
            )
        chosen = settings if settings is not None else self.settings_type()
        self.settings: S = chosen  # type: ignore[assignment]
        self.task: Task = task
        self.width: int | None = None
        self.classes: tuple[int, ...] = ()

    # --- what callers use -----------------------------------------------------------------------------

    @property
    def window(self) -> int:
        """Number of rows, up to and including the current one, that one prediction uses.

        Before the first whole window the first row is repeated.
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
        """Fit the model; see the class for shapes, tasks and errors.

        :param validation: rows later than all of `train`, for early stopping; None trains to the end.
        :param warm: continue the previous fit.
        :param progress: called with (epoch or round, loss on the validation rows).
        :raises DataError: the rows are invalid, or differ from the previous fit.
        :raises ConfigError: `warm` on a model that cannot continue.
        :raises TrainingFailed: the library failed.
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
        """Predict (M, F) features; return (M,) values, classes or positions, by task.

        :param groups: (M,) whole numbers, the same for rows of one pair; None treats all rows as one group.
        :raises DataError: the features are invalid, or the model is not fitted.
        """
        outputs = self._checked_outputs(features, groups)
        if self.task == "classification":
            return np.asarray(self.classes, dtype=np.float64)[outputs.argmax(axis=1)]
        return outputs

    def predict_proba(self, features: npt.ArrayLike, groups: npt.ArrayLike | None = None) -> Floats:
        """Return (M, K) probabilities of `classes`.

        :raises ConfigError: the task is not classification.
        """
        if self.task != "classification":
            raise ConfigError(
                f"model {self.name} was created for {self.task}; only classification has probabilities"
            )
        return self._checked_outputs(features, groups)

    def save(self, file: Path) -> None:
        """Write the fitted model to one file, atomically."""
        replace_bytes(file, self.to_bytes())

    def to_bytes(self) -> bytes:
        """Return the fitted model as the bytes that `save` writes.

        :raises DataError: the model is not fitted.
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
                # A fixed timestamp, so that equal models give equal files.
                archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
        return packed.getvalue()

    @classmethod
    def load(cls, file: Path) -> Self:
        """Load a model that `save` wrote.

        :raises DataError: the file is absent, damaged, or another model's.
        """
        try:
            content = file.read_bytes()
        except OSError as error:
            raise DataError(f"no model at {file}: {error.strerror}") from error
        return cls.from_bytes(content, str(file))

    @classmethod
    def from_bytes(cls, content: bytes, where: str = "the given bytes") -> Self:
        """Restore a model from the bytes of `to_bytes`."""
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
        """Fit on checked rows, with classes as 0 .. K-1. Keep the previous fit if this raises."""

    @abstractmethod
    def _outputs(self, features: Floats, groups: Ints | None) -> Floats:
        """Return (M,) values or positions; for classification (M, K) probabilities."""

    @abstractmethod
    def _body(self) -> bytes:
        """Return the fitted state as bytes."""

    @abstractmethod
    def _restore(self, body: bytes) -> None:
        """Restore the fitted state from `_body`; settings, task, width and classes are set already."""

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
            raise ConfigError(f"model {self.name} cannot continue an earlier fit; use warm=False")
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
                raise DataError(f"classes {new} were not in the first fit; use warm=False")
            return self.classes
        if len(kinds) < 2:
            raise DataError(f"all labels are of class {kinds[0]:g}; a classifier needs at least two classes")
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
            raise DataError(f"model {self.name} is not fitted; call fit first")

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
    """Split a saved model into its metadata and its body.

    :raises DataError: the bytes are not a saved model.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            meta = json.loads(archive.read(_META))
            if meta["format"] != FORMAT:
                raise DataError(
                    f"{where} has format {meta['format']!r}, this version reads {FORMAT!r}; train it again"
                )
            return meta, archive.read(_BODY)
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise DataError(f"{where} is not a saved model ({error}); train and save it again") from error
