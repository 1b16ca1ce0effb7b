"""Run a flow from command line options and print its results."""

from __future__ import annotations

from rich.text import Text

from agent_market.flow.dry_run import dry_table
from agent_market.flow.engine import FlowDone, run_flow
from agent_market.flow.files import digest_of_values
from agent_market.flow.plan import FlowPlan, make_plan
from agent_market.flow.progress import Screen
from agent_market.flow.resume import run_to_resume
from agent_market.flow.settings import FlowSettings
from agent_market.flow.steps import chosen_steps
from agent_market.flow.steps.summary import REPORT, TABLES
from agent_market.flow.table import round_table
from agent_market.reports.console import report_console
from agent_market.utils.console import Console


def start(
    settings: FlowSettings,
    *,
    steps: str | None = None,
    first: str | None = None,
    resume: bool = False,
    force: bool = False,
    dry: bool = False,
) -> None:
    """Run a flow as the options say, and print its results.

    :param steps: names with commas; None runs all configured steps.
    :param first: run this step and those after it.
    :param resume: continue the newest run of this flow.
    :param force: rerun the steps although nothing changed.
    :param dry: print what would be done, without writing anything.
    :raises FlowError: a step failed, or there is no run to resume.
    """
    console = report_console()
    plan = make_plan(settings, make=not dry)
    wanted = chosen_steps(plan, steps, first)
    if resume:
        plan = make_plan(settings, run_id=run_to_resume(plan).id, make=not dry)
    if dry:
        console.print(dry_table(plan, wanted, force=force))
        return
    screen = Screen(console, plan.folder)
    screen.note(f"Flow {plan.scope}, run {plan.run_id}{', resumed' if resume else ''}")
    _print_done(console, plan, run_flow(plan, wanted, screen, force=force))


def figures_digest(plan: FlowPlan, done: FlowDone) -> str:
    """sha256 of the tables of all rounds, as printed: equal wherever every printed figure is.

    The digest of the products covers their bytes, with figures to the last bit; other processors round those
    otherwise, for the numerical libraries choose their instructions by the processor.
    """
    folders = [done.folders.get(("summary", round_.number)) for round_ in plan.rounds]
    return digest_of_values([(folder / TABLES).read_text(encoding="utf-8") for folder in folders if folder])


def _print_done(console: Console, plan: FlowPlan, done: FlowDone) -> None:
    for round_ in plan.rounds:
        folder = done.folders.get(("summary", round_.number))
        if folder is not None:
            span = round_.span
            console.print()
            console.print(Text(f"Round {round_.number}: {span.start} to {span.end}", style="bold"))
            console.print(Text((folder / TABLES).read_text(encoding="utf-8").rstrip()), soft_wrap=True)
    if len(plan.rounds) > 1 and any(("summary", round_.number) in done.folders for round_ in plan.rounds):
        console.print()
        console.print(round_table(done.rounds))
    console.print()
    made, skipped = len(done.made), len(done.skipped)
    console.print(Text(f"{made} steps made, {skipped} skipped; products sha256 {str(done.digest)[:16]}"))
    console.print(Text(f"figures sha256 {figures_digest(plan, done)[:16]}"))
    reports = [done.folders[key] for key in sorted(done.folders) if key[0] == "report"]
    if reports:
        console.print(Text(f"Report: {reports[-1] / REPORT}", style="bold"), soft_wrap=True)
    console.print(Text(f"Everything of this run: {plan.folder}"), soft_wrap=True)
