"""`agent-market mode`: who decides on entries."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agent_market.commands.control import BY, Folder, Userdir, control_of, say


def mode(
    wanted: Annotated[
        str | None, typer.Argument(help="auto, confirm or manual; left out: show what stands.")
    ] = None,
    userdir: Userdir = Path("user_data"),
    folder: Folder = None,
) -> None:
    """auto: agents' entries are placed; confirm: each needs a human's yes; manual: forced entries only."""
    control = control_of(userdir, folder)
    say(control.state() if wanted is None else control.set_mode(wanted, BY))
