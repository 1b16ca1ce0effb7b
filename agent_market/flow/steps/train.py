"""Search, train and test a model before each round, on data known by then."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent_market.flow.files import copy_atomically
from agent_market.flow.fingerprints import code_of, features_in_force, user_code, versions_of
from agent_market.flow.plan import FlowPlan
from agent_market.flow.settings import FlowTraining
from agent_market.flow.steps.base import Context, Say, Step
from agent_market.reports.feedback import RoundEntry, append_feedback
from agent_market.training.callbacks import Silent
from agent_market.utils.durable import replace_text

if TYPE_CHECKING:
    from agent_market.training.settings import TrainingSettings

REPORT_FILE = "report.json"
MODEL_FILE = "model.bin"
LINES = "feedback.json"
SHOWN_FILE = "latest_training_summary.json"
LIBRARIES = ("lightgbm", "xgboost", "catboost", "torch", "stable-baselines3", "optuna", "scikit-learn")


class Train(Step):
    """Train a model on rows that end where the round begins, with labels known by then.

    The round's backtest uses its parameters if both train the same model.
    """

    name = "train"
    needs = ("download", "features")
    products = (REPORT_FILE, LINES)

    def left_out(self, plan: FlowPlan) -> str | None:
        return None if plan.settings.train else "`train` is not set in the flow file"

    def inputs(self, at: Context) -> Mapping[str, Any]:
        plan = at.plan
        return {
            "flow": plan.scope,
            "rows": timerange_of(at),
            "factors in force": None if plan.settings.expressions else features_in_force(plan),
            "strategies and models": user_code(plan),
            "code": code_of("training", "stats", "freqai", "strategy", "decision", "rl", "candles", "config"),
            "packages": versions_of("freqtrade", "datasieve", "numpy", "pandas", *LIBRARIES),
        }

    def stale(self, at: Context, folder: Path) -> str | None:
        return None if (folder / MODEL_FILE).is_file() else "its model file is missing"

    def make(self, at: Context, folder: Path, say: Say) -> None:
        # Imported late: optuna and the models' libraries are extras.
        from agent_market.training.pipeline import TrainingPipeline  # noqa: PLC0415

        config = {key: value for key, value in at.plan.config.items() if key != "config_files"}
        replace_text(folder / "config.json", json.dumps(config, indent=2, default=str) + "\n")
        settings = training_of(at, folder / "config.json")
        for left in (settings.userdir / "models").glob(f"{settings.name}-*"):  # half-written by a killed one
            shutil.rmtree(left)
        report = TrainingPipeline(settings, (_ReportStages(say),), say).run()
        shutil.copyfile(settings.folder / REPORT_FILE, folder / REPORT_FILE)
        shutil.copyfile(settings.folder / MODEL_FILE, folder / MODEL_FILE)
        if report.backtest is not None:
            shutil.copytree(settings.folder / "result", folder / "result")
        entry = RoundEntry(report.known_at, at.number, report.feedback_lines, at.plan.scope)
        replace_text(folder / LINES, entry.to_json() + "\n")
        shutil.rmtree(settings.folder)
        say(report.feedback_lines[0])

    def publish(self, at: Context, folder: Path, warn: Say) -> None:
        copy_atomically(folder / REPORT_FILE, at.plan.feedback_folder / SHOWN_FILE)
        line = (folder / LINES).read_text(encoding="utf-8").strip()
        for moved in append_feedback(at.plan.feedback_folder, line):
            warn(moved)

    def figures(self, folder: Path) -> Mapping[str, Any]:
        return {"trained_ic": _read(folder)["offline"]["rank_ic"]}


def training_of(at: Context, config: Path) -> TrainingSettings:
    """Return the training settings of a round.

    The folder survives kill -9, so that a search can resume; it is removed at the end.
    """
    from agent_market.training.backtest import place_of  # noqa: PLC0415
    from agent_market.training.settings import TrainingSettings  # noqa: PLC0415

    plan, settings, chosen = at.plan, at.plan.settings, _chosen(at)
    strategy = settings.strategies[0]
    return TrainingSettings(
        **{name: getattr(chosen, name) for name in FlowTraining.model_fields if name != "days"},
        name=f"flow-{plan.scope[-12:]}-r{at.number}",
        config=(config,),
        userdir=settings.userdir,
        datadir=plan.datadir,
        timerange=timerange_of(at),
        strategy=strategy,
        strategy_path=place_of(settings.strategy_path, settings.userdir, "strategies", strategy),
        freqaimodel_path=settings.freqaimodel_path,
        sandbox=settings.sandbox if chosen.backtest else None,
        feedback=False,
        round=at.number,
        scope=plan.scope,
    )


def timerange_of(at: Context) -> str:
    """Return the days of the rows, which end where the round begins."""
    end = at.round.span.start
    return f"{end - timedelta(days=_chosen(at).days):%Y%m%d}-{end:%Y%m%d}"


def trained_parameters(at: Context) -> Mapping[str, Any] | None:
    """Return the parameters found by the round's training, for FreqAI to train the same model.

    None if nothing was trained, or the backtest trains another model.
    """
    chosen, folder = at.plan.settings.train, at.folders.get((Train.name, at.number))
    if chosen is None or folder is None:
        return None
    from agent_market.training.backtest import freqai_model  # noqa: PLC0415
    from agent_market.training.tuning import seeded  # noqa: PLC0415

    settings = training_of(at, folder / "config.json")
    if freqai_model(settings) != at.plan.settings.freqaimodel or settings.chosen_task == "policy":
        return None
    return seeded(settings, _read(folder)["params"])


class _ReportStages(Silent):
    """Report stages and trials as the newest message of the step."""

    def __init__(self, say: Say) -> None:
        self._say = say

    def stage(self, name: str, detail: str) -> None:
        self._say(f"{name}: {detail}")

    def trial(self, number: int, params: Mapping[str, Any], value: float | None) -> None:
        self._say(f"trial {number}: " + ("given up" if value is None else f"{value:+.4f}"))


def _chosen(at: Context) -> FlowTraining:
    chosen = at.plan.settings.train
    assert chosen is not None, "the step is left out without it"
    return chosen


def _read(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / REPORT_FILE).read_text(encoding="utf-8")))
