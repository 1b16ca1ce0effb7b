"""What agents see beside candles."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from agent_market.config.base import Settings


class ContextSeries(Settings):
    """One dated series beside the candles (fear & greed, VIX, DXY, funding, ...)."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    """Name under which agents see it."""
    path: Path
    """CSV or feather file. Relative paths are taken from the user_data directory."""
    value_column: str
    """Column with the value."""
    time_column: str
    """Column with the date or time the value belongs to."""
    known_after: str = "1d"
    """When the value is known, counted from `time_column`: a daily value at the end of its day ("1d")."""
    max_age: str = "7d"
    """A value older than this at the decision is absent, not carried on."""
    fallbacks: tuple[Path, ...] = ()
    """Files with the same columns, read in this order when `path` (or one before) cannot be read."""


class NewsSettings(Settings):
    """Headlines from files, for the agents that see `news`; without files there are none."""

    files: tuple[Path, ...] = ()
    """JSON lines (.jsonl) or CSV with known_at, title and assets. Relative paths start in user_data."""
    max_age: str = "1d"
    """A headline older than this at the decision is absent."""


class PerceptionSettings(Settings):
    """What the agents see."""

    context: tuple[ContextSeries, ...] = ()
    """Context series; one that is missing on disk is an error, one without a current value is absent."""
    turbulence_window: int = Field(default=240, ge=30)
    """Candles over which the mean and covariance of cross-pair returns are estimated."""
    news: NewsSettings = NewsSettings()
    """Headlines; `agents.headlines` says how many of the newest a prompt carries."""
