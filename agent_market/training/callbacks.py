"""Callbacks that observe a training: a progress display, an experiment tracker, a flow."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Protocol

from agent_market.errors import ConfigError

if TYPE_CHECKING:
    from agent_market.training.report import TrainingReport
    from agent_market.utils.console import Console


class Callback(Protocol):
    """Observer of a training, called in order of events. An exception that it raises ends the training."""

    def stage(self, name: str, detail: str) -> None:
        """Handle a stage start (`dataset`, `split`, `tune`, `train`, `judge`, `backtest`, `feedback`)."""

    def trial(self, number: int, params: Mapping[str, Any], value: float | None) -> None:
        """Handle the end of a trial; `value` is its score, None if it was pruned."""

    def epoch(self, number: int, loss: float) -> None:
        """Handle an epoch (or tree, or evaluation) of the final fit, with its loss on the validation rows."""

    def done(self, report: TrainingReport) -> None:
        """Handle the end of the training; all files are written."""


class Silent:
    """Callback that does nothing; a base class for callbacks that handle some events only."""

    def stage(self, name: str, detail: str) -> None:
        pass

    def trial(self, number: int, params: Mapping[str, Any], value: float | None) -> None:
        pass

    def epoch(self, number: int, loss: float) -> None:
        pass

    def done(self, report: TrainingReport) -> None:
        pass


class RichProgress(Silent):
    """Print one line per stage, with a status line for the progress within it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status = console.status("")

    def stage(self, name: str, detail: str) -> None:
        self._status.start()
        self._console.print(f"{name:<9} {detail}", highlight=False, markup=False, soft_wrap=True)
        self._status.update(name)

    def trial(self, number: int, params: Mapping[str, Any], value: float | None) -> None:
        result = "given up" if value is None else f"{value:+.4f}"
        self._console.print(f"  trial {number}: {result}", highlight=False)

    def epoch(self, number: int, loss: float) -> None:
        self._status.update(f"train: {number}, validation loss {loss:.5f}")

    def words(self, text: str) -> None:
        """Show a log message of freqtrade."""
        self._status.update(f"backtest: {text[:90]}")

    def done(self, report: TrainingReport) -> None:
        self.close()

    def close(self) -> None:
        """Remove the status line."""
        self._status.stop()


class MLflowTracker(Silent):
    """Log each training as one MLflow run, configured by MLflow's environment (`MLFLOW_TRACKING_URI`).

    :raises ConfigError: mlflow is not installed.
    """

    def __init__(self, experiment: str) -> None:
        try:
            self._mlflow: Any = importlib.import_module("mlflow")
        except ModuleNotFoundError as error:
            raise ConfigError(
                "tracker = 'mlflow' needs the package mlflow; run `pip install mlflow`, or use 'none'"
            ) from error
        self._mlflow.set_experiment(experiment)

    def done(self, report: TrainingReport) -> None:
        with self._mlflow.start_run(run_name=report.name):
            self._mlflow.log_params({"model": report.model, "label": report.label, **report.params})
            for part in (report.offline, report.backtest):
                if part is not None:
                    self._mlflow.log_metrics(
                        {k: v for k, v in asdict(part).items() if isinstance(v, int | float)}
                    )
            self._mlflow.log_dict(report.as_dict(), "report.json")
