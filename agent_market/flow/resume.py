"""Which run `--resume` goes on with."""

from __future__ import annotations

from agent_market.errors import FlowError
from agent_market.flow.archive import RunInfo, all_runs
from agent_market.flow.plan import FlowPlan


def run_to_resume(plan: FlowPlan) -> RunInfo:
    """The newest run of exactly this flow.

    A finished one is gone through again: every step of it is there, so nothing is made.

    :raises FlowError: there is none; the message says whether the settings or the code changed since.
    """
    runs = all_runs(plan.runs)
    mine = [run for run in runs if run.scope == plan.scope]
    if mine:
        return mine[-1]
    named = [run for run in runs if run.name == plan.settings.name]
    if named:
        raise FlowError(
            f"--resume: run {named[-1].id} was started with other settings, config or code "
            f"({named[-1].scope}, now {plan.scope}). Start without --resume: steps that did not change are "
            "taken from it"
        )
    raise FlowError(f"--resume: there is no run of flow {plan.settings.name!r} in {plan.runs}")
