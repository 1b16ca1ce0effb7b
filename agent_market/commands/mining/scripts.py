"""The two scripts are the same commands under the seeds' names."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer


def as_script(app: typer.Typer, command: Sequence[str]) -> None:
    """Run a command of `agent-market factors` with the options of this process.

    Errors that are raised on purpose end it with one line and the exit code of the command line.
    """
    from agent_market.utils.terminal import run_app

    run_app(lambda: app([*command, *sys.argv[1:]]))
