"""`agent-market report`: one HTML file about a backtest, and the comparison on the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agent_market.utils.plain_text import echo


def report(
    userdir: Annotated[Path, typer.Option(help="freqtrade's user_data directory.")] = Path("user_data"),
    result: Annotated[
        Path | None,
        typer.Option(help="Backtest result (.zip). (the newest of the user_data directory if left out)"),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(help="HTML file to write. (agent_market/report.html in user_data if left out)"),
    ] = None,
    datadir: Annotated[
        Path | None, typer.Option(help="Folder of candles. (as freqtrade chooses it if left out)")
    ] = None,
) -> None:
    """Compare the agents of a backtest with its baselines, and write one self-contained HTML page.

    Run the baselines in the same backtest to have them beside the agents: freqtrade backtesting
    --strategy-list AgentMarketStrategy AgentMarketEqualWeights AgentMarketQuantOnly --export trades
    """
    from agent_market.errors import ConfigError
    from agent_market.reports.backtest_result import latest_result
    from agent_market.reports.console import print_comparison, print_knowledge, report_console
    from agent_market.reports.html import write_report
    from agent_market.reports.load import gather

    if datadir is not None and not datadir.is_dir():
        raise ConfigError(f"no directory --datadir {datadir}; name the folder of the candles")
    content = gather(result or latest_result(userdir / "backtest_results"), userdir, datadir)
    console = report_console()
    print_comparison(console, content.comparison, content.warnings)
    print_knowledge(console, content.knowledge)
    echo(f"report  {write_report(content, output or userdir / 'agent_market' / 'report.html')}")
