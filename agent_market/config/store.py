"""The database."""

from __future__ import annotations

from agent_market.config.base import Settings


class StoreSettings(Settings):
    """Where answers, decisions and memories are kept."""

    url: str = "sqlite:///{user_data}/agent_market.sqlite"
    """SQLAlchemy URL; `{user_data}` is the user_data directory. SQLite runs in WAL mode."""
