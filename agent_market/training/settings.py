"""What a training file may say, as types: one sentence a field, checked once at the edge."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import orjson
from pydantic import Field, field_validator, model_validator

import agent_market
from agent_market.config import Settings, parse_settings
from agent_market.datasets.labels import CLASSES, LabelSettings
from agent_market.flow.settings import FlowSandbox, read_settings_file
from agent_market.freqai.identity import code_digest

WHERE = "training"
_ABSOLUTE = ("userdir", "datadir", "strategy_path", "freqaimodel_path")


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
    def _grid_has_values(self) -> TuningSettings:
        if self.method == "grid" and not (self.grid and all(self.grid.values())):
            raise ValueError("method `grid` needs `grid`: one or more values for each parameter")
        return self


class TrainingSettings(Settings):
    """One training, from candles to a backtest of what was learned."""

    name: str = Field(default="training", pattern=r"^[a-z][a-z0-9_-]{0,40}$")
    """Name of the training: its folder in `<userdir>/agent_market/training`."""
    model: str = "lightgbm"
    """Model, by its name in the registry."""
    task: Literal["regression", "classification", "policy"] | None = None
    """What it learns; unset goes by the label: classes, rewards (the model `policy`), or else numbers."""
    params: Mapping[str, Any] = Field(default_factory=dict)
    """Parameters over the model's defaults."""
    label: LabelSettings = LabelSettings()
    """What is to be told."""
    config: tuple[Path, ...]
    """freqtrade config files, merged in this order, relative to the training file."""
    userdir: Path
    """freqtrade's user_data directory, relative to the training file."""
    datadir: Path | None = None
    """Folder of candles; unset is `<userdir>/data/<exchange>`."""
    timerange: str = Field(pattern=r"^\d{8}-\d{8}$")
    """Days of the rows, `YYYYMMDD-YYYYMMDD`; the newest `test_share` of them are judged and traded on."""
    pairs: tuple[str, ...] = ()
    """Pairs; empty takes the whitelist of the freqtrade config."""
    timeframe: str | None = None
    """Timeframe; unset takes the freqtrade config's."""
    strategy: str = "AgentMarketStrategy"
    """Strategy whose feature code makes the rows."""
    strategy_path: Path | None = None
    """Folder of strategies; unset is the one in `userdir`, or ours where that lacks them."""
    freqaimodel_path: Path | None = None
    """Folder of FreqAI models; unset is the one in `userdir`, or ours where that lacks them."""
    test_share: float = Field(default=0.25, gt=0, lt=1)
    """Share of the moments to judge and trade on."""
    validation_share: float = Field(default=0.15, gt=0, lt=0.5)
    """Share of the training moments, the newest, that stop training early."""
    embargo_candles: int = Field(default=0, ge=0)
    """Candles by which a label must be known before the rows that are judged."""
    sample_every: int = Field(default=1, ge=1)
    """Learn from every so many candles only; the label's horizon makes labels that do not overlap."""
    freqtrade: Mapping[str, Any] = Field(default_factory=dict)
    """Keys laid over the freqtrade config files."""
    seed: int = Field(default=7, ge=0)
    """Seed of the model and of the search."""
    tuning: TuningSettings = TuningSettings()
    """The search for parameters."""
    backtest: bool = True
    """Whether freqtrade backtests the model over the test span, retraining as FreqAI does."""
    sandbox: FlowSandbox | None = None
    """Serve the market on this machine during the backtest; unset asks the exchange of the config."""
    tracker: Literal["none", "mlflow"] = "none"
    """Where runs are tracked beside our own files."""
    feedback: bool = True
    """Whether the result is written to `<userdir>/llm_feedback` for the next round."""
    round: int = Field(default=1, ge=1)
    """Number of the round, for the feedback."""
    scope: str = "training"
    """Name of the flow that the feedback belongs to."""

    @field_validator("config")
    @classmethod
    def _some(cls, files: tuple[Path, ...]) -> tuple[Path, ...]:
        if not files:
            raise ValueError("name at least one freqtrade config file")
        return files

    @model_validator(mode="after")
    def _task_fits_label(self) -> TrainingSettings:
        classes, reward = self.label.kind in CLASSES, self.label.kind == "reward"
        if self.chosen_task == "classification" and not classes:
            raise ValueError(f"label `{self.label.kind}` has no classes; take one of {', '.join(CLASSES)}")
        if (self.chosen_task == "policy") != (self.model == "policy"):
            raise ValueError(
                "the model `policy` learns the label `reward`, and nothing else does as a policy"
            )
        if self.chosen_task == "policy" and not reward:
            raise ValueError(f"a policy learns from label `reward`, got `{self.label.kind}`")
        if not self.start < self.end:
            raise ValueError(f"timerange {self.timerange} ends before it starts")
        return self

    @property
    def chosen_task(self) -> Literal["regression", "classification", "policy"]:
        """`task`, or what the label asks for."""
        if self.task is not None:
            return self.task
        if self.model == "policy":
            return "policy"
        return "classification" if self.label.kind in CLASSES else "regression"

    @property
    def start(self) -> datetime:
        return datetime.strptime(self.timerange[:8], "%Y%m%d").replace(tzinfo=UTC)

    @property
    def end(self) -> datetime:
        return datetime.strptime(self.timerange[9:], "%Y%m%d").replace(tzinfo=UTC)

    @property
    def folder(self) -> Path:
        """Where this training keeps its files."""
        return self.userdir / "agent_market" / "training" / self.name

    def fingerprint(self) -> str:
        """16 hex digits of all that can change a result: settings, config files, code. Paths do not count."""
        paths = {"config", "sandbox", *_ABSOLUTE}
        parts = {
            "settings": self.model_dump(mode="json", exclude=paths),
            "config": [hashlib.sha256(file.read_bytes()).hexdigest() for file in self.config],
            "code": [code_digest(), _own_code()],
        }
        return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


def load_training_settings(file: Path, changes: Sequence[str] = ()) -> TrainingSettings:
    """Read a training file (YAML, of which JSON is a part), change it, check it.

    :param changes: `key=value`, the key dotted (`tuning.trials=50`), the value as YAML would read it.
    :return: settings whose paths are absolute.
    :raises ConfigError: naming the file and each bad key, its value and the nearest key that exists.
    """
    return absolute(
        parse_settings(TrainingSettings, read_settings_file(file, changes), WHERE), file.resolve().parent
    )


def absolute(settings: TrainingSettings, folder: Path) -> TrainingSettings:
    """The same settings with paths that are relative to `folder` made absolute."""

    def place(path: Path | None) -> Path | None:
        return None if path is None else (folder / path.expanduser()).resolve()

    sandbox = settings.sandbox
    if sandbox is not None:
        sandbox = sandbox.model_copy(update={"data": place(sandbox.data)})
    changed = {name: place(getattr(settings, name)) for name in _ABSOLUTE}
    config = tuple((folder / path.expanduser()).resolve() for path in settings.config)
    return settings.model_copy(update={**changed, "config": config, "sandbox": sandbox})


def _own_code() -> str:
    root, digest = Path(agent_market.__file__).parent, hashlib.sha256()
    for file in sorted([*(root / "datasets").rglob("*.py"), *(root / "training").rglob("*.py")]):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
