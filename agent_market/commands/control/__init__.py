"""Shared parts of `pause`, `resume` and `mode`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent_market.utils.plain_text import echo

if TYPE_CHECKING:
    from agent_market.bot.control import Control, ControlState

BY = "command line"

Userdir = Annotated[Path, typer.Option(help="freqtrade's user_data directory.")]
Folder = Annotated[Path | None, typer.Option(help="The bot's folder, where its config sets `bot.folder`.")]


def control_of(userdir: Path, folder: Path | None) -> Control:
    """The kill switch of the bot with this user_data directory.

    :raises ConfigError: the directory does not exist (no bot would read a switch created there).
    """
    from agent_market.bot.control import Control
    from agent_market.config import BotSettings
    from agent_market.errors import ConfigError
    from agent_market.runs.folders import control_folder

    place = folder or userdir
    if not place.is_dir():
        raise ConfigError(f"no directory {place}; name the bot's with --userdir or --folder")

    return Control(folder or control_folder(BotSettings().folder, userdir))


def say(state: ControlState) -> None:
    """One line on what stands now."""
    if state.damaged:
        echo(f"paused, because the switch cannot be read: {state.damaged}")
        return
    words = "entries go on"
    if state.paused:
        since = f" since {state.since:%Y-%m-%d %H:%M:%S} UTC" if state.since else ""
        words = f"paused{since} by {state.paused_by}" + (f": {state.reason}" if state.reason else "")
    echo(f"{words}; mode {state.mode}")
