"""The command line of the flow."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from agent_market.errors import AgentMarketError, ConfigError
from agent_market.flow.engine import run_flow
from agent_market.flow.plan import make_plan
from agent_market.flow.settings import load_flow_settings, nearest
from agent_market.flow.steps import STEPS, Step
from agent_market.reports.console import report_console

EXIT_ERROR = 2


def agent_flow(
    config: Annotated[Path, typer.Option(help="Flow file (YAML or JSON).")],
    rounds: Annotated[int | None, typer.Option(help="How many rounds; overrides the file.")] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a setting; dotted, may be repeated."),
    ] = None,
    steps: Annotated[
        str | None,
        typer.Option(help="Only these, with commas: download,backtest,summary,feedback,report."),
    ] = None,
) -> None:
    """Download, train and backtest, sum up, feed back, report; then the next round, later in time.

    Each round's prompts carry what the rounds before it taught.
    """
    asked = [*(changes or []), *([f"rounds={rounds}"] if rounds is not None else [])]
    wanted = chosen_steps(steps)
    plan = make_plan(load_flow_settings(config, asked))
    console = report_console()
    console.print(Text(f"Flow {plan.scope}, run {plan.run_id}"))
    done = run_flow(plan, wanted, console)
    written = [round_.report for round_ in done if round_.report is not None]
    if written:
        console.print(Text(f"Report: {written[-1]}", style="bold"), soft_wrap=True)
    console.print(Text(f"Everything of this run: {plan.folder}"), soft_wrap=True)


def chosen_steps(names: str | None) -> tuple[Step, ...]:
    """The steps that `--steps` names, in the order they run; all of them without it.

    :raises ConfigError: one does not exist.
    """
    if names is None:
        return STEPS
    asked = [name.strip() for name in names.split(",") if name.strip()]
    for name in asked:
        if name not in STEPS:
            raise ConfigError(f"--steps: there is no step {name!r}; {nearest(name, STEPS)}")
    if not asked:
        raise ConfigError(f"--steps is empty; known: {', '.join(STEPS)}")
    return tuple(step for step in STEPS if step in asked)


def main() -> None:
    """Run the command; an error of ours is one message on stderr and exit code 2."""
    try:
        typer.run(agent_flow)
    except AgentMarketError as error:
        Console(stderr=True).print(Text(f"Error: {error}", style="red"), soft_wrap=True)
        sys.exit(EXIT_ERROR)
