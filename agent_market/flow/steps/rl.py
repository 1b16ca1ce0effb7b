"""Train a reinforcement learning policy and backtest it over the same span as the agents."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from freqtrade.misc import deep_merge_dicts

from agent_market.flow.backtest_digest import OUTCOME, write_outcome
from agent_market.flow.fingerprints import code_of, features_in_force, user_code, versions_of
from agent_market.flow.plan import FlowPlan
from agent_market.flow.steps.backtest import RESULT, Call, newest_result, run_backtest
from agent_market.flow.steps.base import Context, Say, Step

CODE = (
    *("decision", "rl", "freqai", "strategy", "pipeline", "features", "perception", "training/models"),
    *("candles", "records", "config"),
)


class Reinforcement(Step):
    """Train and backtest a policy; fees, slippage and seeds come from the config, so it is repeatable."""

    name = "rl"
    needs = ("download", "features")
    products = (OUTCOME,)

    def left_out(self, plan: FlowPlan) -> str | None:
        return None if plan.settings.rl else "`rl` is not set in the flow file"

    def inputs(self, at: Context) -> Mapping[str, Any]:
        return {
            "flow": at.plan.scope,
            "span": at.round.span.timerange,
            "factors in force": None if at.plan.settings.expressions else features_in_force(at.plan),
            "strategies and models": user_code(at.plan),
            "code": code_of(*CODE),
            "packages": versions_of("freqtrade", "stable-baselines3", "sb3-contrib", "torch", "numpy"),
        }

    def stale(self, at: Context, folder: Path) -> str | None:
        return "its result file is missing" if newest_result(folder / RESULT) is None else None

    def make(self, at: Context, folder: Path, say: Say) -> None:
        chosen = at.plan.settings.rl
        assert chosen is not None
        config: dict[str, Any] = deep_merge_dicts(dict(chosen.freqtrade), {})
        parameters = config.get("freqai", {}).get("model_training_parameters", {})
        call = Call(self.name, (chosen.strategy,), chosen.freqaimodel, config, parameters)
        result = run_backtest(at, folder, call, say)
        write_outcome(result, at.plan, folder / OUTCOME)
        say(f"result {result.name}, profit {_profit(folder):+.2%}")

    def figures(self, folder: Path) -> Mapping[str, Any]:
        return {"policy": _profit(folder)}


def _profit(folder: Path) -> float:
    values = json.loads((folder / OUTCOME).read_text(encoding="utf-8"))
    return float(next(iter(values["strategies"].values()))["profit"])
