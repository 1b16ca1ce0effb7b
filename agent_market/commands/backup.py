"""`agent-market backup`: copy the store while it is in use, and delete old copies."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agent_market.utils.plain_text import echo


def backup(
    userdir: Annotated[Path, typer.Option(help="freqtrade's user_data directory.")] = Path("user_data"),
    store: Annotated[
        str | None, typer.Option(help="URL of the store; that of the newest run if left out.")
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--to", help="Folder of the copies; user_data/backups if left out.")
    ] = None,
    days: Annotated[int, typer.Option(min=0, help="The newest copy of so many days is kept.")] = 7,
    weeks: Annotated[int, typer.Option(min=0, help="The newest copy of so many weeks is kept.")] = 4,
    keep_all: Annotated[bool, typer.Option("--keep-all", help="Delete no older copy.")] = False,
    vacuum: Annotated[bool, typer.Option("--vacuum", help="Compact the store afterwards.")] = False,
) -> None:
    """Copy the store, whole and checked, while bot and backtests go on.

    Copies of the last day are all kept, and the newest one always.
    """
    from datetime import UTC, datetime

    from agent_market.commands.stores.opening import megabytes, open_store, url_of_store
    from agent_market.store.backup import back_up, backups_in, compact, prune
    from agent_market.store.jobs import note_run

    now = datetime.now(UTC).replace(microsecond=0)
    url = url_of_store(userdir, store)
    folder = to or userdir / "backups"
    copy = back_up(url, folder, now)
    echo(f"copied to {copy} ({megabytes(copy.stat().st_size)})")
    for gone in () if keep_all else prune(folder, now, days, weeks):
        echo(f"deleted {gone}")
    kept = len(backups_in(folder))
    echo(f"{kept} {'copy' if kept == 1 else 'copies'} in {folder}")
    with open_store(url) as database:
        note_run(database, "backup", now, {"file": copy.name, "bytes": copy.stat().st_size})
        if vacuum:
            before, after = compact(database)
            note_run(database, "vacuum", now, {"before": before, "after": after})
            echo(f"compacted the store: {megabytes(before)} before, {megabytes(after)} after")
