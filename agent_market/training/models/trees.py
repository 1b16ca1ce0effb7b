"""Gradient boosted trees: LightGBM, XGBoost and CatBoost, with early stopping and continued training."""

from __future__ import annotations

import tempfile
import warnings
from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
from pydantic import Field

from agent_market.config import Settings
from agent_market.training.models.base import BaseModelAdapter, Progress
from agent_market.training.models.libraries import library
from agent_market.training.models.samples import Samples
from agent_market.utils.arrays import Floats, Ints


class TreeSettings(Settings):
    """Settings shared by the three libraries."""

    trees: int = Field(default=300, ge=1, le=20_000)
    """Maximum number of trees; validation rows stop the training early."""
    learning_rate: float = Field(default=0.03, gt=0, le=1)
    """Shrinkage of each tree."""
    depth: int = Field(default=5, ge=1, le=12)
    """Maximum depth of a tree. Returns are mostly noise, which deep trees fit."""
    rows_a_leaf: int = Field(default=40, ge=1)
    """Minimum rows in a leaf (XGBoost: minimum sum of Hessians, which is rows for squared error)."""
    row_share: float = Field(default=0.8, gt=0, le=1)
    """Share of the rows sampled for each tree."""
    column_share: float = Field(default=0.8, gt=0, le=1)
    """Share of the features sampled for each tree."""
    l2: float = Field(default=1.0, ge=0)
    """L2 penalty on leaf values."""
    patience: int = Field(default=50, ge=1)
    """Trees without a better validation loss before training stops."""
    threads: int = Field(default=1, ge=1)
    """CPU threads."""
    device: str = Field(default="cpu", pattern="^(cpu|cuda)$")
    """`cpu` or `cuda` (LightGBM needs a CUDA build)."""
    seed: int = Field(default=7, ge=0)
    """Seed of rows and columns drawn."""


class LightGBMSettings(TreeSettings):
    """LightGBM; leaf-wise trees."""

    leaves: int = Field(default=15, ge=2)
    """Maximum leaves of a tree."""


class XGBoostSettings(TreeSettings):
    """XGBoost; level-wise histogram trees."""

    bins: int = Field(default=256, ge=16)
    """Histogram bins of a feature."""


class CatBoostSettings(TreeSettings):
    """CatBoost; symmetric trees. Its automatic learning rate is far too low for few trees, so one is set."""

    learning_rate: float = Field(default=0.05, gt=0, le=1)
    """Shrinkage of each tree."""
    random_strength: float = Field(default=1.0, ge=0)
    """Noise on split scores against overfitting."""


T = TypeVar("T", bound=TreeSettings)


class _Trees(BaseModelAdapter[T]):
    incremental = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._model: Any = None

    @abstractmethod
    def _new(self, stopping: bool) -> Any:
        """Return an unfitted estimator; `stopping` enables early stopping on validation rows."""

    def _outputs(self, features: Floats, groups: Ints | None) -> Floats:
        if self.task == "classification":
            return np.asarray(self._model.predict_proba(features))
        return np.asarray(self._model.predict(features)).ravel()

    def _report(self, losses: dict[str, dict[str, list[float]]], progress: Progress | None) -> None:
        if progress is None or not losses:
            return
        newest = next(iter(losses[next(reversed(losses))].values()))
        for number, loss in enumerate(newest, start=1):
            progress(number, float(loss))

    def _through_file(self, suffix: str, content: bytes | None = None) -> bytes:
        """Write or read a model in the library's native format, which stays readable across versions."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"model{suffix}"
            if content is None:
                self._model.save_model(str(file))
                return file.read_bytes()
            file.write_bytes(content)
            self._model.load_model(str(file))
            return content


class LightGBMAdapter(_Trees[LightGBMSettings]):
    """`lightgbm.LGBMRegressor` and `LGBMClassifier`; kept as LightGBM's text model."""

    name: ClassVar[str] = "lightgbm"
    settings_type = LightGBMSettings

    def _new(self, stopping: bool) -> Any:
        lightgbm, s = library("lightgbm", "model lightgbm"), self.settings
        kind = lightgbm.LGBMClassifier if self.task == "classification" else lightgbm.LGBMRegressor
        return kind(
            n_estimators=s.trees,
            learning_rate=s.learning_rate,
            max_depth=s.depth,
            num_leaves=s.leaves,
            min_child_samples=s.rows_a_leaf,
            subsample=s.row_share,
            subsample_freq=1,
            colsample_bytree=s.column_share,
            reg_lambda=s.l2,
            n_jobs=s.threads,
            device_type=s.device,
            random_state=s.seed,
            deterministic=True,
            force_row_wise=True,
            verbosity=-1,
        )

    def _fit(self, train: Samples, validation: Samples | None, warm: bool, progress: Progress | None) -> None:
        lightgbm = library("lightgbm", "model lightgbm")
        model = self._new(validation is not None)
        callbacks = [lightgbm.early_stopping(self.settings.patience, verbose=False)] if validation else []
        with warnings.catch_warnings():
            # LightGBM 4.7 replaces eval_set by eval_X and eval_y, which 4.6 does not support.
            warnings.filterwarnings("ignore", "The argument 'eval_set' is deprecated")
            model.fit(
                train.features,
                train.labels,
                sample_weight=train.weights,
                eval_set=[(validation.features, validation.labels)] if validation else None,
                callbacks=callbacks,
                init_model=self._model if warm else None,
            )
        # Keep the booster alone, so that a loaded model predicts with the same object as a fitted one.
        self._model = model.booster_
        self._report(model.evals_result_ if validation else {}, progress)

    def _outputs(self, features: Floats, groups: Ints | None) -> Floats:
        raw = np.asarray(self._model.predict(features, num_threads=self.settings.threads))
        if self.task != "classification":
            return raw
        return raw if raw.ndim == 2 else np.column_stack([1.0 - raw, raw])

    def _body(self) -> bytes:
        return str(self._model.model_to_string()).encode()

    def _restore(self, body: bytes) -> None:
        self._model = library("lightgbm", "model lightgbm").Booster(model_str=body.decode())


class XGBoostAdapter(_Trees[XGBoostSettings]):
    """`xgboost.XGBRegressor` and `XGBClassifier`; kept in XGBoost's binary JSON."""

    name: ClassVar[str] = "xgboost"
    settings_type = XGBoostSettings

    def _new(self, stopping: bool) -> Any:
        xgboost, s = library("xgboost", "model xgboost"), self.settings
        kind = xgboost.XGBClassifier if self.task == "classification" else xgboost.XGBRegressor
        return kind(
            n_estimators=s.trees,
            learning_rate=s.learning_rate,
            max_depth=s.depth,
            min_child_weight=s.rows_a_leaf if self.task == "regression" else s.rows_a_leaf / 4.0,
            subsample=s.row_share,
            colsample_bytree=s.column_share,
            reg_lambda=s.l2,
            max_bin=s.bins,
            n_jobs=s.threads,
            device=s.device,
            tree_method="hist",
            random_state=s.seed,
            early_stopping_rounds=s.patience if stopping else None,
        )

    def _fit(self, train: Samples, validation: Samples | None, warm: bool, progress: Progress | None) -> None:
        model = self._new(validation is not None)
        model.fit(
            train.features,
            train.labels,
            sample_weight=train.weights,
            eval_set=[(validation.features, validation.labels)] if validation else None,
            verbose=False,
            xgb_model=self._kept() if warm else None,
        )
        self._model = model
        self._report(model.evals_result() if validation else {}, progress)

    def _kept(self) -> bytearray:
        """Return the trees to continue from, as bytes.

        Drop the trees after the best iteration and its attribute: it would make XGBoost ignore later trees.
        Bytes, because a live booster draws rows depending on what else was fitted in this process.
        """
        booster = self._model.get_booster()
        best = booster.attr("best_iteration")
        if best is not None:
            booster = booster[: int(best) + 1]
            booster.set_attr(best_iteration=None, best_score=None)
        return bytearray(booster.save_raw())

    def _body(self) -> bytes:
        return self._through_file(".ubj")

    def _restore(self, body: bytes) -> None:
        self._model = self._new(stopping=False)
        self._through_file(".ubj", body)


class CatBoostAdapter(_Trees[CatBoostSettings]):
    """`catboost.CatBoostRegressor` and `CatBoostClassifier`; kept in CatBoost's binary format."""

    name: ClassVar[str] = "catboost"
    settings_type = CatBoostSettings
    _file: bytes = b""

    def _new(self, stopping: bool) -> Any:
        catboost, s = library("catboost", "model catboost"), self.settings
        kind = catboost.CatBoostClassifier if self.task == "classification" else catboost.CatBoostRegressor
        extra = {"rsm": s.column_share} if s.device == "cpu" else {}
        return kind(
            iterations=s.trees,
            learning_rate=s.learning_rate,
            depth=s.depth,
            min_data_in_leaf=s.rows_a_leaf,
            bootstrap_type="Bernoulli",
            subsample=s.row_share,
            l2_leaf_reg=s.l2,
            random_strength=s.random_strength,
            thread_count=s.threads,
            task_type="GPU" if s.device == "cuda" else "CPU",
            random_seed=s.seed,
            early_stopping_rounds=s.patience if stopping else None,
            allow_writing_files=False,
            verbose=False,
            **extra,
        )

    def _fit(self, train: Samples, validation: Samples | None, warm: bool, progress: Progress | None) -> None:
        model = self._new(validation is not None)
        labels = train.labels.astype(int) if self.task == "classification" else train.labels
        model.fit(
            train.features,
            labels,
            sample_weight=train.weights,
            eval_set=(validation.features, validation.labels) if validation else None,
            init_model=self._model if warm else None,
        )
        metadata = model.get_metadata()
        for clock in ("model_guid", "train_finish_time"):
            # Blank what differs between equal fits, so that they give equal files.
            metadata[clock] = ""
        self._model = model
        self._file = self._through_file(".cbm")
        self._report(model.get_evals_result() if validation else {}, progress)

    def _body(self) -> bytes:
        # Return the original bytes: CatBoost writes a loaded model in another order.
        return self._file

    def _restore(self, body: bytes) -> None:
        self._model = self._new(stopping=False)
        self._file = self._through_file(".cbm", body)
