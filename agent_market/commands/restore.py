"""`agent-market restore`: put a backup in the place of the store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agent_market.utils.plain_text import echo


def restore(
    backup: Annotated[Path | None, typer.Argument(help="The copy; the newest one if left out.")] = None,
    userdir: Annotated[Path, typer.Option(help="freqtrade's user_data directory.")] = Path("user_data"),
    store: Annotated[
        str | None, typer.Option(help="URL of the store; that of the newest run if left out.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--from", help="Folder of the copies; user_data/backups if left out.")
    ] = None,
) -> None:
    """Restore the store from a backup. Close all programs that use it; the former store is kept beside it."""
    from datetime import UTC, datetime

    from agent_market.commands.stores.opening import megabytes, open_store, url_of_store
    from agent_market.errors import StoreError
    from agent_market.store.backup import backups_in
    from agent_market.store.backup import restore as put_back
    from agent_market.store.episodes import count_episodes

    if backup is None:
        place = folder or userdir / "backups"
        known = backups_in(place)
        if not known:
            raise StoreError(f"no backup in {place}; make one with `agent-market backup`")
        backup = known[-1][1]
    url = url_of_store(userdir, store)
    former = put_back(url, backup, datetime.now(UTC))
    # Opening migrates: a backup of an earlier version is brought up to date here, not in the bot.
    with open_store(url) as database:
        decisions = count_episodes(database)
        echo(f"restored {backup} ({megabytes(backup.stat().st_size)}, {decisions:,} decisions)")
    if former is not None:
        echo(f"the former store is {former}; delete it when all is well")
