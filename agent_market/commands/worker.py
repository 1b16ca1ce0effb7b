"""`agent-market worker`: run the jobs of a bot in separate processes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXIT_FAILED = 1


def worker(
    config: Annotated[
        list[Path] | None,
        typer.Option("--config", "-c", help="The bot's config; may be given several times."),
    ] = None,
    userdir: Annotated[
        Path | None, typer.Option("--userdir", "-d", help="The bot's user_data directory.")
    ] = None,
    db_url: Annotated[
        str | None, typer.Option("--db-url", help="The bot's trades, where its command line says so.")
    ] = None,
    datadir: Annotated[
        Path | None, typer.Option("--datadir", help="The bot's candles, where its command line says so.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Run the jobs that are due now, and exit.")] = False,
    show: Annotated[
        bool, typer.Option("--list", help="Show every job with its last run and result, and exit.")
    ] = False,
    lane: Annotated[
        list[str] | None,
        typer.Option("--lane", help="Only this lane (sense, think or search); repeatable. All without it."),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="Run this job now, due or not, and exit; repeatable.")
    ] = None,
) -> None:
    """Run the jobs of a bot beside it: memory, texts, graph, review, backup.

    It runs until Ctrl-C or SIGTERM, or with --once or --only until the work is done;
    then the exit code is 1 if a job failed. Freqtrade's trades are only ever read. One worker for each lane
    of a bot: with --lane several processes share the lanes, so that none waits for another's work.
    """
    from agent_market.commands.worker_loop.loop import WorkerLoop
    from agent_market.commands.worker_loop.opening import bot_config

    shift = WorkerLoop(bot_config(config or [], userdir, db_url, datadir), lanes=tuple(lane or ()))
    if show:
        shift.show()
        return
    if not shift.run(once=once, only=tuple(only or ())):
        raise typer.Exit(EXIT_FAILED)
