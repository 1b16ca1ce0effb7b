"""What is learned, how, and how it is searched for: the part that a training file and a flow file share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from agent_market.config import Settings
from agent_market.training.datasets.labels import CLASSES, LabelSettings


class TuningSettings(Settings):
    """The search for parameters; it sees training rows only."""

    method: Literal["none", "grid", "bayes"] = "none"
    """`grid` tries every combination of `grid`; `bayes` (TPE) draws from the model's own space."""
    trials: int = Field(default=20, ge=1, le=10_000)
    """Trials of `bayes` in all; a search that was stopped goes on to this number."""
    grid: Mapping[str, tuple[Any, ...]] = Field(default_factory=dict)
    """Values of each parameter (`grid`)."""
    folds: int = Field(default=3, ge=2, le=20)
    """Purged walk-forward folds that each trial is judged on."""
    pruning: bool = True
    """Whether a trial that is below the median after a fold is given up."""
    storage: str | None = None
    """optuna's storage as SQLAlchemy URL; unset is a SQLite file in the folder of the training."""

    @model_validator(mode="after")
    def _grid_has_values(self) -> Self:
        if self.method == "grid" and not (self.grid and all(self.grid.values())):
            raise ValueError("method `grid` needs `grid`: one or more values for each parameter")
        return self


class Learning(Settings):
    """A model, what it is to tell, and the rows that it learns from and is judged on."""

    model: str = "lightgbm"
    """Model, by its name in the registry."""
    task: Literal["regression", "classification", "policy"] | None = None
    """What it learns; unset goes by the label: classes, rewards (the model `policy`), or else numbers."""
    params: Mapping[str, Any] = Field(default_factory=dict)
    """Parameters over the model's defaults."""
    label: LabelSettings = LabelSettings()
    """What is to be told."""
    test_share: float = Field(default=0.25, gt=0, lt=1)
    """Share of the moments to judge and trade on."""
    validation_share: float = Field(default=0.15, gt=0, lt=0.5)
    """Share of the training moments, the newest, that stop training early."""
    embargo_candles: int = Field(default=0, ge=0)
    """Candles by which a label must be known before the rows that are judged."""
    sample_every: int = Field(default=1, ge=1)
    """Learn from every so many candles only; the label's horizon makes labels that do not overlap."""
    seed: int = Field(default=7, ge=0)
    """Seed of the model and of the search."""
    tuning: TuningSettings = TuningSettings()
    """The search for parameters."""

    @model_validator(mode="after")
    def _task_fits_label(self) -> Self:
        classes, reward = self.label.kind in CLASSES, self.label.kind == "reward"
        if self.chosen_task == "classification" and not classes:
            raise ValueError(f"label `{self.label.kind}` has no classes; take one of {', '.join(CLASSES)}")
        if (self.chosen_task == "policy") != (self.model == "policy"):
            raise ValueError(
                "the model `policy` learns the label `reward`, and nothing else does as a policy"
            )
        if self.chosen_task == "policy" and not reward:
            raise ValueError(f"a policy learns from label `reward`, got `{self.label.kind}`")
        return self

    @property
    def chosen_task(self) -> Literal["regression", "classification", "policy"]:
        """`task`, or what the label asks for."""
        if self.task is not None:
            return self.task
        if self.model == "policy":
            return "policy"
        return "classification" if self.label.kind in CLASSES else "regression"
