"""`agent-market weights`: whom a run trusted, by market regime and week, and who rose and fell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent_market.utils.plain_text import echo_json

if TYPE_CHECKING:
    from agent_market.reports.weights import WeightTable

MOST_CHANGES = 8
"""Changes that are told in words below the table, largest first."""


def weights(
    userdir: Annotated[Path, typer.Option(help="freqtrade's user_data directory.")] = Path("user_data"),
    scope: Annotated[str | None, typer.Option(help="Which run or bot; the newest if left out.")] = None,
    pair: Annotated[str | None, typer.Option(help="Only this pair.")] = None,
    weeks: Annotated[int, typer.Option(min=1, help="How many of the newest weeks the table shows.")] = 8,
    as_json: Annotated[bool, typer.Option("--json", help="All weeks, as JSON.")] = False,
) -> None:
    """Show each agent's mean weight by market regime and week, and the changes in words.

    Changes compare the first with the last week of all, in which a regime has enough decisions.
    """
    from agent_market.errors import DataError
    from agent_market.reports.weights import weight_table
    from agent_market.runs.manifest import FOLDER, latest_manifest, read_manifest
    from agent_market.store.database import Database, store_url
    from agent_market.store.episodes import episodes_of
    from agent_market.utils.console import Console

    manifest = read_manifest(userdir / FOLDER / f"{scope}.json") if scope else latest_manifest(userdir)
    database = Database(store_url(manifest.store_url, userdir))
    try:
        episodes = episodes_of(database, manifest.scope, pair)
    finally:
        database.close()
    if not episodes:
        raise DataError(f"no decisions in scope {manifest.scope!r}" + (f" for {pair}" if pair else ""))
    table = weight_table(episodes)
    if as_json:
        echo_json(json.dumps(_plain(manifest.scope, table), indent=2))
        return
    console = Console()
    console.print(_table(manifest.scope, table, weeks))
    for change in table.changes[:MOST_CHANGES]:
        console.print(change.words, highlight=False, soft_wrap=True)
    if len(table.changes) > MOST_CHANGES:
        more = len(table.changes) - MOST_CHANGES
        console.print(f"{more} smaller changes: --json has all.", highlight=False)
    if not table.changes:
        console.print("No agent's weight moved by 5 points or more within a regime.", highlight=False)


def _plain(scope: str, table: WeightTable) -> dict[str, object]:
    return {
        "scope": scope,
        "agents": list(table.agents),
        "rows": [
            {
                "regime": row.regime,
                "week": row.week.isoformat(),
                "decisions": row.decisions,
                "weights": dict(row.weights),
            }
            for row in table.rows
        ],
        "changes": [
            {
                "regime": change.regime,
                "agent": change.agent,
                "first_week": change.first.isoformat(),
                "last_week": change.last.isoformat(),
                "before": change.before,
                "after": change.after,
                "words": change.words,
            }
            for change in table.changes
        ],
    }


def _table(scope: str, table: WeightTable, weeks: int) -> object:
    from rich.table import Table

    from agent_market.reports.text import percent

    newest = set(sorted({row.week for row in table.rows})[-weeks:])
    total = len({row.week for row in table.rows})
    shown = Table(title=f"Mean weights, {len(newest)} of {total} weeks, scope {scope}")
    # Both name the row and may not be cut off; headings break where the terminal is narrow.
    shown.add_column("regime", no_wrap=True)
    shown.add_column("week of", no_wrap=True)
    for heading in ("decisions", *table.agents):
        shown.add_column(heading, justify="right", overflow="fold")
    before = None
    for row in table.rows:
        if row.week not in newest:
            continue
        if before not in (None, row.regime):
            shown.add_section()
        shares = (percent(row.weights[agent], 0) for agent in table.agents)
        name = "" if before == row.regime else row.regime
        shown.add_row(name, f"{row.week}", f"{row.decisions:,}", *shares)
        before = row.regime
    return shown
