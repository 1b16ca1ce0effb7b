"""Typed settings of a training file, validated once on reading."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import orjson
from pydantic import Field, field_validator, model_validator

import agent_market
from agent_market.config import parse_settings
from agent_market.config.flow import FlowSandbox, read_settings_file
from agent_market.runs.identity import code_digest
from agent_market.training.learning import Learning

WHERE = "training"
_ABSOLUTE = ("userdir", "datadir", "strategy_path", "freqaimodel_path")


class TrainingSettings(Learning):
    """One training, from candles to a backtest of the trained model."""

    name: str = Field(default="training", pattern=r"^[a-z][a-z0-9_-]{0,40}$")
    """Name of the training: its folder in `<userdir>/agent_market/training`."""
    config: tuple[Path, ...]
    """freqtrade config files, merged in this order, relative to the training file."""
    userdir: Path
    """freqtrade's user_data directory, relative to the training file."""
    datadir: Path | None = None
    """Folder of candles; unset is `<userdir>/data/<exchange>`."""
    timerange: str = Field(pattern=r"^\d{8}-\d{8}$")
    """Days of the rows, `YYYYMMDD-YYYYMMDD`; the newest `test_share` of them are the test span."""
    pairs: tuple[str, ...] = ()
    """Pairs; empty takes the whitelist of the freqtrade config."""
    timeframe: str | None = None
    """Timeframe; unset takes the freqtrade config's."""
    strategy: str = "AgentMarketStrategy"
    """Strategy whose feature code computes the rows."""
    strategy_path: Path | None = None
    """Folder of strategies; unset uses the one in `userdir`, or the packaged strategies if it has none."""
    freqaimodel_path: Path | None = None
    """Folder of FreqAI models; unset uses the one in `userdir`, or the packaged models if it has none."""
    freqtrade: Mapping[str, Any] = Field(default_factory=dict)
    """Keys laid over the freqtrade config files."""
    backtest: bool = True
    """Whether freqtrade backtests the model over the test span, retraining as FreqAI does."""
    sandbox: FlowSandbox | None = None
    """Serve a sandbox market on this machine during the backtest; unset uses the exchange of the config."""
    tracker: Literal["none", "mlflow"] = "none"
    """Experiment tracker, in addition to the files of the training."""
    feedback: bool = True
    """Whether to write the result to `<userdir>/llm_feedback` for the next round."""
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
    def _ends_after_it_starts(self) -> TrainingSettings:
        if not self.start < self.end:
            raise ValueError(f"timerange {self.timerange} ends before it starts")
        return self

    @property
    def start(self) -> datetime:
        return datetime.strptime(self.timerange[:8], "%Y%m%d").replace(tzinfo=UTC)

    @property
    def end(self) -> datetime:
        return datetime.strptime(self.timerange[9:], "%Y%m%d").replace(tzinfo=UTC)

    @property
    def folder(self) -> Path:
        """Folder of this training's files."""
        return self.userdir / "agent_market" / "training" / self.name

    def fingerprint(self) -> str:
        """Return 16 hex digits over all that can change a result: settings, config files, code; not paths."""
        paths = {"config", "sandbox", *_ABSOLUTE}
        parts = {
            "settings": self.model_dump(mode="json", exclude=paths),
            "config": [hashlib.sha256(file.read_bytes()).hexdigest() for file in self.config],
            "code": [code_digest(), _own_code()],
        }
        return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


def load_training_settings(file: Path, changes: Sequence[str] = ()) -> TrainingSettings:
    """Read a training file (YAML or JSON), apply the changes, and validate it.

    :param changes: `key=value` with a dotted key (`tuning.trials=50`) and a YAML value.
    :return: the settings, with absolute paths.
    :raises ConfigError: names the file and each invalid key, its value and the nearest existing key.
    """
    return absolute(
        parse_settings(TrainingSettings, read_settings_file(file, changes), WHERE), file.resolve().parent
    )


def absolute(settings: TrainingSettings, folder: Path) -> TrainingSettings:
    """Return the settings with paths relative to `folder` made absolute."""

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
