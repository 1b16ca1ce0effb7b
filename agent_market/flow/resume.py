"""Find the run that `--resume` continues."""

from __future__ import annotations

from agent_market.errors import FlowError
from agent_market.flow.archive import RunInfo, all_runs
from agent_market.flow.plan import FlowPlan


def run_to_resume(plan: FlowPlan) -> RunInfo:
    """Return the newest run of exactly this flow.

    Resuming a finished run skips every step.

    :raises FlowError: no such run; the message says whether the settings or the code changed since.
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
    raise FlowError(f"--resume: no run of flow {plan.settings.name!r} in {plan.runs}; start without --resume")
