"""`agent-market resume`: entries again after `pause`."""

from __future__ import annotations

from pathlib import Path

from agent_market.commands.control import BY, Folder, Userdir, control_of, say


def resume(userdir: Userdir = Path("user_data"), folder: Folder = None) -> None:
    """Let a running bot enter again. The circuit breaker stays as it is."""
    say(control_of(userdir, folder).resume(BY))
