"""Evaluate all strategies on the flow's candles once per run, as `agent-market evaluate` does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from agent_market.config import load_settings
from agent_market.errors import ConfigError
from agent_market.flow.fingerprints import code_of, versions_of
from agent_market.flow.plan import FlowPlan
from agent_market.flow.settings import midnight
from agent_market.flow.steps.base import Context, Say, Step
from agent_market.store.database import Database, store_url

EVALUATION = "evaluation.json"
CODE = (
    *(
        "evaluation",
        "stats",
        "decision",
        "rl",
        "features",
        "outcomes",
        "costs",
        "records",
        "config",
        "candles",
    ),
    "sandbox/model",
)
PACKAGES = ("numpy", "pandas", "scipy", "lightgbm", "scikit-learn", "torch", "stable-baselines3", "arch")


class Evaluate(Step):
    """Evaluate all strategies, except on the holdout, which only `agent-market evaluate` opens."""

    name = "evaluate"
    once = True
    needs = ("download",)
    products = (EVALUATION,)

    def left_out(self, plan: FlowPlan) -> str | None:
        return None if plan.settings.evaluate else "`evaluate` is not set in the flow file"

    def inputs(self, at: Context) -> Mapping[str, Any]:
        chosen = at.plan.settings.evaluate
        return {
            "settings": chosen.model_dump(mode="json") if chosen else None,
            "pairs": [at.plan.pairs, at.plan.timeframe],
            "code": code_of(*CODE),
            "packages": versions_of(*PACKAGES),
        }

    def make(self, at: Context, folder: Path, say: Say) -> None:
        plan, chosen = at.plan, at.plan.settings.evaluate
        assert chosen is not None
        try:  # torch and the sandbox are extras
            from agent_market.evaluation.page import as_json, main_result  # noqa: PLC0415
            from agent_market.evaluation.run import evaluate  # noqa: PLC0415
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"the step `evaluate` needs the package {error.name}; install agent-market[rl,sandbox]"
            ) from error
        from agent_market.evaluation.panel_builder import read_candles  # noqa: PLC0415
        from agent_market.evaluation.plan import Plan as Evaluation  # noqa: PLC0415

        asked = Evaluation(pairs=plan.pairs, timeframe=plan.timeframe, **chosen.model_dump())
        candles = {
            pair: _within(plan, frame)
            for pair, frame in read_candles(plan.datadir, plan.pairs, plan.timeframe).items()
        }
        say(f"{len(candles)} pairs, {chosen.seeds} seeds")
        database = Database(store_url(load_settings(plan.config).store.url, plan.settings.userdir))
        try:
            found = evaluate(candles, asked, database, jobs=plan.settings.parallel.jobs)
        finally:
            database.close()
        (folder / EVALUATION).write_bytes(as_json(found) + b"\n")
        trials = main_result(found).doubt.trials
        say(f"{found.decisions} decisions judged, {trials} trials on this span in the ledger")


def _within(plan: FlowPlan, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the candles of the flow's span, without those downloaded for another flow."""
    inside = (frame["date"] >= plan.candles_from) & (frame["date"] < midnight(plan.settings.span.end))
    return frame[inside].reset_index(drop=True)
