"""Train with FreqAI and backtest with freqtrade over a round: agents and baselines in one call."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from freqtrade.misc import deep_merge_dicts

from agent_market.config import load_settings
from agent_market.errors import FlowError
from agent_market.flow.backtest_digest import OUTCOME, write_outcome
from agent_market.flow.fingerprints import context_files, features_in_force, taught, user_code, versions_of
from agent_market.flow.freqtrade_arguments import common_arguments, write_config
from agent_market.flow.plan import FlowPlan
from agent_market.flow.settings import midnight
from agent_market.flow.steps.base import Context, Say, Step
from agent_market.flow.steps.train import LIBRARIES, trained_parameters
from agent_market.freqtrade_cli import call_freqtrade, last_words
from agent_market.reports.feedback import read_feedback, visible_feedback
from agent_market.runs.identity import code_digest
from agent_market.store.backup import file_of
from agent_market.store.database import Database, store_url
from agent_market.store.spend import spent
from agent_market.utils.durable import replace_text

RESULT = "result"
PACKAGES = ("freqtrade", "datasieve", "pandas", "numpy", *LIBRARIES)


class Backtest(Step):
    """Backtest the committee over one round, with feedback and memory of the earlier rounds."""

    name = "backtest"
    needs = ("download", "features", "train")
    before = ("backtest",)
    products = (OUTCOME,)

    def inputs(self, at: Context) -> Mapping[str, Any]:
        plan, settings = at.plan, at.plan.settings
        end = midnight(at.round.span.end)
        return {
            "flow": plan.scope,
            "span": at.round.span.timerange,
            "strategies": [settings.strategies, settings.freqaimodel],
            "feedback": visible_feedback(plan.feedback_folder, plan.scope, at.number),
            "factors in force": None if settings.expressions else features_in_force(plan),
            "context series": context_files(plan),
            "notes and tuned prompts": taught(plan, plan.config, end),
            "strategies and models": user_code(plan),
            "code": code_digest(),
            "packages": versions_of(*PACKAGES),
        }

    def stale(self, at: Context, folder: Path) -> str | None:
        if newest_result(folder / RESULT) is None:
            return "its result file is missing"
        settings = load_settings(at.plan.config)
        url = store_url(settings.store.url, at.plan.settings.userdir)
        if url.startswith("sqlite") and not file_of(url).is_file():
            return "the store of decisions is missing"
        return None

    def make(self, at: Context, folder: Path, say: Say) -> None:
        plan, settings, number = at.plan, at.plan.settings, at.number
        shown = settings.userdir / plan.shown_feedback(number)
        replace_text(shown, visible_feedback(plan.feedback_folder, plan.scope, number))
        started = int(time.time())
        config, found = round_config(plan, number), trained_parameters(at)
        call = Call(self.name, settings.strategies, settings.freqaimodel, config, found)
        result = run_backtest(at, folder, call, say)
        write_outcome(result, plan, folder / OUTCOME)
        asked = model_calls(plan, started)
        say(f"result {result.name}, the model was asked {asked} times")

    def publish(self, at: Context, folder: Path, warn: Say) -> None:
        for problem in read_feedback(at.plan.feedback_folder).problems:
            warn(problem)


@dataclass(frozen=True, slots=True)
class Call:
    """One call of `freqtrade backtesting`; `config` is laid over that of the flow.

    `parameters` replace `freqai.model_training_parameters`, since merging would mix those of two models;
    None keeps the flow's.
    """

    step: str
    strategies: Sequence[str]
    freqaimodel: str
    config: Mapping[str, Any]
    parameters: Mapping[str, Any] | None = None


def run_backtest(at: Context, folder: Path, call: Call, say: Say) -> Path:
    """Train and backtest over the span of the round.

    Leftovers of a killed attempt under the same FreqAI identifier are removed first.

    :return: freqtrade's result file, in `folder/result`.
    :raises FlowError: freqtrade failed, or ended without writing a result.
    """
    plan, settings = at.plan, at.plan.settings
    identifier = plan.identifier(at.number, call.step)
    for left in (settings.userdir / "models").glob(f"{identifier}*"):
        shutil.rmtree(left)
    freqai = {"freqai": {"identifier": identifier}} if plan.config.get("freqai") else {}
    overlay: dict[str, Any] = deep_merge_dicts(dict(call.config), deep_merge_dicts(freqai, {}))
    overlay = deep_merge_dicts(at.market.overlay, overlay)
    alone = call.parameters is not None
    if alone:
        overlay = deep_merge_dicts(overlay, deep_merge_dicts(dict(plan.config), {}))
        overlay["freqai"]["model_training_parameters"] = dict(call.parameters or {})
        config = folder / "config.json"
        replace_text(config, json.dumps(overlay, indent=2, default=str) + "\n")
    else:
        config = write_config(plan, folder / "config.json", overlay)
    results = folder / RESULT
    results.mkdir()
    arguments = [
        "backtesting",
        *common_arguments(plan, config, alone=alone),
        *("--strategy-list", *call.strategies),
        *("--freqaimodel", call.freqaimodel),
        *(("--strategy-path", str(settings.strategy_path)) if settings.strategy_path else ()),
        *(("--freqaimodel-path", str(settings.freqaimodel_path)) if settings.freqaimodel_path else ()),
        *("--timerange", at.round.span.timerange),
        *("--export", "trades", "--cache", "none"),
        *("--backtest-directory", str(results)),
        *(("--notes", at.market.note) if at.market.note else ()),
    ]
    done = call_freqtrade(call.step, arguments, folder, say)
    result = newest_result(results)
    if result is None:
        raise FlowError(
            f"{call.step}: freqtrade ended without an error and without a result in {results}. "
            f"End of its log:\n{last_words(done.log)}\nThe whole log: {done.log}"
        )
    return result


def round_config(plan: FlowPlan, number: int) -> dict[str, Any]:
    """Return the settings of a round: the feedback it may see, and the memory it continues."""
    section: dict[str, Any] = {"agents": {"feedback_file": str(plan.shown_feedback(number))}}
    if not plan.config.get("agent_market", {}).get("memory", {}).get("scope"):
        section["memory"] = {"scope": plan.scope}
    return {"agent_market": section}


def newest_result(folder: Path) -> Path | None:
    """Return the newest result file in a folder; None if there is none."""
    found = sorted(folder.glob("backtest-result-*.zip"))
    return found[-1] if found else None


def model_calls(plan: FlowPlan, since: int) -> int:
    """Count requests sent to a model since a time (epoch seconds), without replayed answers."""
    store = load_settings(plan.config).store
    database = Database(store_url(store.url, plan.settings.userdir))
    try:
        return spent(database, since=since).calls
    finally:
        database.close()
