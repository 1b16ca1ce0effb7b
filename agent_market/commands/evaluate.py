"""`agent-market evaluate`: compare strategies on the same decisions, with costs, intervals and robustness."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent_market.utils.plain_text import echo, echo_json

if TYPE_CHECKING:
    from agent_market.evaluation.run import Report


def evaluate(
    data: Annotated[Path, typer.Option(help="Folder of candles as freqtrade stores them (feather).")],
    userdir: Annotated[
        Path, typer.Option(help="freqtrade's user_data directory: its store has the ledger.")
    ] = Path("user_data"),
    pairs: Annotated[list[str] | None, typer.Option("--pair", "-p", help="A pair; repeat for more.")] = None,
    timeframe: Annotated[str, typer.Option("--timeframe", "-t", help="Candles.")] = "1h",
    seeds: Annotated[int, typer.Option(help="Fits of everything that draws random numbers.")] = 5,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    effort: Annotated[float, typer.Option(help="Below 1: shorter training, only to try this out.")] = 1.0,
    placebo_draws: Annotated[int, typer.Option(help="Draws of each world with nothing to find.")] = 1,
    open_holdout: Annotated[bool, typer.Option("--open-holdout", help="Read the sealed span. Once.")] = False,
    page: Annotated[Path | None, typer.Option(help="Page to renew, with its picture.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything, as JSON.")] = False,
) -> None:
    """Judge the nets beside every baseline: purged walk-forward, four cost scenarios, placebo worlds.

    The agents are rules that run in this process; no language model is asked. Each run is entered in the
    trial ledger of the store, and every result is deflated by what the ledger holds.
    """
    from agent_market.config import StoreSettings, parse_settings
    from agent_market.errors import ConfigError

    try:
        from agent_market.evaluation.page import as_json as to_json
        from agent_market.evaluation.page import write_page
        from agent_market.evaluation.run import evaluate as run
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"evaluate needs the package {error.name}; install agent-market[rl,sandbox]"
        ) from error
    from agent_market.evaluation.panel_builder import read_candles
    from agent_market.evaluation.plan import Plan
    from agent_market.store.database import Database, store_url

    asked = {"timeframe": timeframe, "seeds": seeds, "effort": effort, "placebo_draws": placebo_draws}
    plan = parse_settings(Plan, {**asked, **({"pairs": pairs} if pairs else {})}, "evaluate")
    candles = read_candles(data, plan.pairs, plan.timeframe)
    userdir.mkdir(parents=True, exist_ok=True)
    database = Database(store_url(StoreSettings().url, userdir))
    report = run(candles, plan, database, holdout=open_holdout, jobs=jobs, tell=_tell)
    if page is not None:
        write_page(report, page)
    if as_json:
        echo_json(to_json(report))
    else:
        _print(report)


def _tell(line: str) -> None:
    echo(line, err=True)


def _print(report: Report) -> None:
    from rich.table import Table

    from agent_market.evaluation.page import (
        SHORT_HEADINGS,
        TEXTBOOK_HEADINGS,
        TEXTBOOK_NOTE,
        main_result,
        short_cells,
        textbook_cells,
    )
    from agent_market.utils.console import Console

    one = main_result(report)
    span = f"{report.first:%Y-%m-%d} to {report.last:%Y-%m-%d}"
    table = Table(
        title=f"After {one.scenario.name}, {span}",
        caption="All but the total at 10% volatility a year; the lead is over hedge",
        padding=(0, 0),
        pad_edge=False,
    )
    for i, heading in enumerate(SHORT_HEADINGS):
        table.add_column(heading, justify="right" if i else "left", no_wrap=True)
    for row in one.rows:
        table.add_row(*short_cells(row))
    console = Console()
    console.print(table)
    textbook = Table(title="Textbook rows", caption=TEXTBOOK_NOTE, padding=(0, 0), pad_edge=False)
    for i, heading in enumerate(TEXTBOOK_HEADINGS):
        textbook.add_column(heading, justify="right" if i else "left")
    for rule in report.textbook[one.scenario.name]:
        textbook.add_row(*textbook_cells(rule))
    console.print(textbook)
    overfit = "unknown" if one.doubt.pbo is None else f"{one.doubt.pbo:.0%}"
    console.print(
        f"SPA p {one.doubt.spa_hedge:.2f} over hedge, {one.doubt.spa_cash:.2f} over cash, "
        f"{one.doubt.spa_hold:.2f} over buy and hold; PBO {overfit}; {one.doubt.trials} trials. "
        "The other scenarios, years, placebo worlds and the holdout: --json or --page."
    )
