"""`agent-market flow`: the closed loop, and its past runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="The closed loop: run it, look at its runs, compare them.", no_args_is_help=True)

Userdir = Annotated[Path, typer.Option(help="freqtrade's user_data directory that the flow works in.")]
RunId = Annotated[str, typer.Argument(help="Id of a run, or its beginning or end; `last` is the newest.")]


STEPS = "download, expressions, features, train, rl, backtest, summary, feedback, report, evaluate"


@app.command()
def run(
    config: Annotated[Path, typer.Option(help="Flow file (YAML or JSON).")],
    rounds: Annotated[int | None, typer.Option(help="How many rounds; overrides the file.")] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a setting; dotted, may be repeated."),
    ] = None,
    steps: Annotated[str | None, typer.Option(help=f"Only these, with commas: {STEPS}.")] = None,
    first: Annotated[
        str | None, typer.Option("--from", metavar="STEP", help="This step and those after it.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the newest run of this flow.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Make steps again although nothing changed.")
    ] = False,
    dry: Annotated[bool, typer.Option("--dry", help="Show what would be done, and why. Do nothing.")] = False,
) -> None:
    """Candles, factors, training, backtest, feedback, report; then the next round, later in time.

    A step whose inputs did not change is skipped. Each round's prompts carry what those before it taught.
    """
    from agent_market.flow.command import start
    from agent_market.flow.settings import load_flow_settings

    asked = [*(changes or []), *([f"rounds={rounds}"] if rounds is not None else [])]
    settings = load_flow_settings(config, asked)
    start(settings, steps=steps, first=first, resume=resume, force=force, dry=dry)


@app.command("list")
def list_runs(userdir: Userdir = Path("user_data")) -> None:
    """Every run: how it went, how many steps are there, commit (+: with changes) and digest of products."""
    from agent_market.flow.history import list_table
    from agent_market.flow.lock import holder_of
    from agent_market.reports.console import report_console

    report_console().print(list_table(_runs(userdir), holder_of(_runs(userdir))))


@app.command()
def show(run: RunId, userdir: Userdir = Path("user_data")) -> None:
    """One run: versions, git state, its steps and what they were made from, the table of rounds."""
    import json

    from agent_market.flow.archive import read_run, run_folder
    from agent_market.flow.engine import ROUNDS
    from agent_market.flow.history import show_tables
    from agent_market.flow.lock import holder_of
    from agent_market.flow.table import round_table
    from agent_market.reports.console import report_console

    folder = run_folder(_runs(userdir), run)
    info = read_run(folder)
    assert info is not None, "run_folder gives runs only"
    console = report_console()
    for table in show_tables(folder, info, holder_of(_runs(userdir))):
        console.print(table)
    if (folder / ROUNDS).is_file():
        console.print(round_table(json.loads((folder / ROUNDS).read_text(encoding="utf-8"))))


@app.command()
def diff(old: RunId, new: RunId, userdir: Userdir = Path("user_data")) -> None:
    """What differs between two runs: settings, versions, commit, inputs and products of steps, figures."""
    from agent_market.flow.archive import run_folder
    from agent_market.flow.history import diff_table
    from agent_market.reports.console import report_console

    table = diff_table(run_folder(_runs(userdir), old), run_folder(_runs(userdir), new))
    report_console().print(table if table.row_count else "The two runs do not differ.")


@app.command()
def rerun(
    run: RunId,
    userdir: Userdir = Path("user_data"),
    force: Annotated[
        bool, typer.Option("--force", help="Make steps again although nothing changed.")
    ] = False,
) -> None:
    """Run a flow again, as a new run, with the settings that a run was archived with."""
    from agent_market.flow.archive import SETTINGS, run_folder
    from agent_market.flow.command import start
    from agent_market.flow.settings import load_flow_settings

    start(load_flow_settings(run_folder(_runs(userdir), run) / SETTINGS), force=force)


def _runs(userdir: Path) -> Path:
    from agent_market.errors import ConfigError
    from agent_market.flow.plan import RUNS

    if not userdir.is_dir():
        raise ConfigError(f"no directory {userdir}; name the flow's user_data with --userdir")
    return userdir / RUNS
