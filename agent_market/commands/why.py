"""`agent-market why`: the chain behind one decision, with what limits did to its depth and its orders."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agent_market.utils.plain_text import echo


def why(
    decision: Annotated[str, typer.Argument(help="Id of a decision, as entry tags name it.")],
    userdir: Annotated[Path, typer.Option("--userdir", "-d", help="Your freqtrade user_data directory.")],
    scope: Annotated[
        str | None, typer.Option(help="Run whose decision is meant; the newest run by default.")
    ] = None,
) -> None:
    """Explain a decision: inputs, recalled episodes, views, weights, limits, orders and outcome.

    The last word of a trade's entry tag is the decision's id: BTC/USDT@2024-03-01T12:00Z.
    """
    from agent_market.queries.decisions import decision_whole
    from agent_market.queries.risk_log import risk_log_of
    from agent_market.queries.run_context import open_source
    from agent_market.reports.why import why_text

    source = open_source({"user_data_dir": str(userdir)}, scope)
    row, debate, lines = decision_whole(source, risk_log_of(source.folder), decision)
    echo(why_text(row, debate, lines, ""))
