"""`agent-market pause`: no entry of any kind until `resume`; open trades are looked after."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agent_market.commands.control import BY, Folder, Userdir, control_of, say


def pause(
    userdir: Userdir = Path("user_data"),
    folder: Folder = None,
    reason: Annotated[str, typer.Option(help="Why; shown wherever the bot says that it is paused.")] = "",
) -> None:
    """Stop all entries of a running bot, at once and over restarts."""
    say(control_of(userdir, folder).pause(BY, reason))
