"""Times as people read them."""

from __future__ import annotations

from datetime import datetime


def moment(at: datetime | None) -> str:
    """A time for people: minutes, UTC."""
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else "-"
