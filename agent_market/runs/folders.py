"""Where a bot keeps its state files."""

from __future__ import annotations

from pathlib import Path


def control_folder(template: str, user_data: Path) -> Path:
    """The setting `bot.folder`, filled in."""
    return Path(template.replace("{user_data}", str(user_data)))
