"""Settings of the model, the label, the split and the search, shared by training files and flow files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from agent_market.config import Settings
from agent_market.training.datasets.labels import CLASSES, LabelSettings


class TuningSettings(Settings):
    """Search for model parameters; uses training rows only."""

    method: Literal["none", "grid", "bayes"] = "none"
    """`grid` tries every combination of `grid`; `bayes` (TPE) draws from the model's own space."""
    trials: int = Field(default=20, ge=1, le=10_000)
    """Total trials of `bayes`; a resumed search continues up to this number."""
    grid: Mapping[str, tuple[Any, ...]] = Field(default_factory=dict)
    """Values to try for each parameter (`grid`)."""
    folds: int = Field(default=3, ge=2, le=20)
    """Purged walk-forward folds that each trial is scored on."""
    pruning: bool = True
    """Whether to prune a trial that is below the median after a fold."""
    storage: str | None = None
    """optuna storage as SQLAlchemy URL; unset uses a SQLite file in the folder of the training."""

    @model_validator(mode="after")
    def _grid_has_values(self) -> Self:
        if self.method == "grid" and not (self.grid and all(self.grid.values())):
            raise ValueError("method `grid` needs `grid`: set one or more values for each parameter")
        return self


class Learning(Settings):
    """A model, its label, and the rows to train and test on."""

    model: str = "lightgbm"
    """Name of the model in the registry."""
    task: Literal["regression", "classification", "policy"] | None = None
    """Task; unset derives it from the label: classification, policy (model `policy`), else regression."""
    params: Mapping[str, Any] = Field(default_factory=dict)
    """Parameters of the model, laid over its defaults."""
    label: LabelSettings = LabelSettings()
    """Label to predict."""
    test_share: float = Field(default=0.25, gt=0, lt=1)
    """Share of the decision times, the newest, to test and trade on."""
    validation_share: float = Field(default=0.15, gt=0, lt=0.5)
    """Share of the training times, the newest, used for early stopping."""
    embargo_candles: int = Field(default=0, ge=0)
    """Embargo: candles by which a label must be known before the first test row."""
    sample_every: int = Field(default=1, ge=1)
    """Train on every n-th candle only; set it to the label's horizon for labels that do not overlap."""
    seed: int = Field(default=7, ge=0)
    """Seed of the model and of the search."""
    tuning: TuningSettings = TuningSettings()
    """Search for parameters."""

    @model_validator(mode="after")
    def _task_fits_label(self) -> Self:
        classes, reward = self.label.kind in CLASSES, self.label.kind == "reward"
        if self.chosen_task == "classification" and not classes:
            raise ValueError(f"label `{self.label.kind}` has no classes; use one of {', '.join(CLASSES)}")
        if (self.chosen_task == "policy") != (self.model == "policy"):
            raise ValueError(
                "the model `policy` learns the label `reward`, and nothing else does as a policy"
            )
        if self.chosen_task == "policy" and not reward:
            raise ValueError(f"a policy learns from label `reward`, got `{self.label.kind}`")
        return self

    @property
    def chosen_task(self) -> Literal["regression", "classification", "policy"]:
        """`task`, or the task derived from the label."""
        if self.task is not None:
            return self.task
        if self.model == "policy":
            return "policy"
        return "classification" if self.label.kind in CLASSES else "regression"
