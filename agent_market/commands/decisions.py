"""`agent-market decisions`: the decisions of a run, as a table, as JSON lines, or as one digest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent_market.utils.plain_text import echo, echo_json

if TYPE_CHECKING:
    from agent_market.records import Episode


def decisions(
    userdir: Annotated[Path, typer.Option(help="freqtrade's user_data directory.")] = Path("user_data"),
    scope: Annotated[str | None, typer.Option(help="Which run or bot; the newest if left out.")] = None,
    pair: Annotated[str | None, typer.Option(help="Only this pair.")] = None,
    last: Annotated[int, typer.Option(min=1, help="How many of the newest to show in the table.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="All of them, one JSON object a line.")] = False,
    digest: Annotated[bool, typer.Option("--digest", help="Count and sha256 of all of them.")] = False,
) -> None:
    """Show what was decided, when, and what came of it.

    Two runs decided the same, byte for byte, if and only if their digests are equal: the digest covers
    every view, recall, weight, clamp and outcome, and neither the run's name nor the wall clock.
    """
    from agent_market.errors import DataError
    from agent_market.runs.manifest import FOLDER, latest_manifest, read_manifest
    from agent_market.store.database import Database, store_url
    from agent_market.store.episode_json import digest_of, json_lines
    from agent_market.store.episodes import episodes_of
    from agent_market.utils.console import Console

    manifest = read_manifest(userdir / FOLDER / f"{scope}.json") if scope else latest_manifest(userdir)
    database = Database(store_url(manifest.store_url, userdir))
    episodes = episodes_of(database, manifest.scope, pair)
    if not episodes:
        raise DataError(f"no decisions in scope {manifest.scope!r}" + (f" for {pair}" if pair else ""))
    if as_json:
        for line in json_lines(episodes):
            echo_json(line)
    elif digest:
        echo(f"{len(episodes)} decisions, sha256 {digest_of(episodes)}")
    else:
        Console().print(_table(manifest.scope, episodes[-last:], len(episodes)))


def _table(scope: str, episodes: tuple[Episode, ...], total: int) -> object:
    from rich.table import Table

    table = Table(title=f"{len(episodes)} of {total} decisions, scope {scope}")
    for heading in ("as of (UTC)", "pair", "depth", "action", "views", "came of it"):
        table.add_column(heading, justify="right" if heading in ("depth", "came of it") else "left")
    for e in episodes:
        views = "  ".join(f"{v.agent[:4]} {'–' if v.abstains else f'{v.depth:+.1f}'}" for v in e.views)
        outcome = f"{e.outcome.market_return:+.2%}" if e.outcome else "open"
        table.add_row(
            f"{e.view.asof:%Y-%m-%d %H:%M}",
            e.view.pair,
            f"{e.verdict.depth:+.1f}",
            e.verdict.action,
            views,
            outcome,
        )
    return table
