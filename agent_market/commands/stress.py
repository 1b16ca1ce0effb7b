"""`agent-market stress`: real bots in trouble on the sandbox, and whether what must hold did."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent_market.utils.plain_text import echo

if TYPE_CHECKING:
    from agent_market.stress.scenario import Scenario

EXIT_NOT_HELD = 1


def stress(
    only: Annotated[
        list[str] | None, typer.Option(help="A scenario; repeat for more. All without it.")
    ] = None,
    show: Annotated[bool, typer.Option("--list", help="Say what the scenarios are, and run none.")] = False,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for stress.json, stress.html and stress.log.")
    ] = Path("user_data/agent_market/stress"),
) -> None:
    """Put real dry-run bots on the sandbox through every trouble, measure, and write one table.

    Exit code 1 if anything that must hold did not. Needs no network and no key; takes a few minutes.
    """
    from agent_market.errors import ConfigError

    try:
        from agent_market.stress.page import write_page
        from agent_market.stress.suite import LOG, SCENARIOS, as_json, choose, run_suite
        from agent_market.stress.table import stress_console, stress_table, verdict
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"stress needs the package {error.name}; install agent-market[sandbox,reports]"
        ) from error
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    if show:
        for scenario in SCENARIOS:
            echo(f"{scenario.name:12} {scenario.what}")
        return
    chosen = choose(only or ())
    console = stress_console()
    log = output / LOG
    log.unlink(missing_ok=True)
    columns = (SpinnerColumn(), TextColumn("{task.completed} of {task.total} {task.description}"))
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress:
        task = progress.add_task("", total=len(chosen))
        begun = 0

        def told(scenario: Scenario[Any]) -> None:
            nonlocal begun
            progress.update(task, completed=begun, description=scenario.name)
            begun += 1

        report = run_suite(chosen, log, told)
    console.print(stress_table(report))
    console.print(verdict(report))
    (output / "stress.json").write_bytes(as_json(report))
    echo(f"report  {write_page(report, output / 'stress.html')}")
    if not report.held:
        raise typer.Exit(EXIT_NOT_HELD)
