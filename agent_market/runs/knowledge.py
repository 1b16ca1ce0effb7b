"""What humans taught, as a part of a backtest's identity: predictions made without it are not reused."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from freqtrade.enums import TRADE_MODES

from agent_market.books import shelf_digests
from agent_market.config import load_settings
from agent_market.memory.note_store import forgotten
from agent_market.store.backup import file_of
from agent_market.store.database import Database, store_url


def knowledge_digest(config: Mapping[str, Any]) -> str:
    """Hash of the notes that decisions of this backtest may see, and of what its named scope forgot.

    Empty where there is nothing of both, so that an untaught store changes no identity; and for a live bot,
    which must not train all its models anew for a note: it takes in what is taught at its next candle.

    :raises StoreError: the store cannot be read.
    """
    parts = (shelf_digests(config, ("lessons",))["lessons"], forgotten_digest(config))
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:16] if any(parts) else ""


def forgotten_digest(config: Mapping[str, Any]) -> str:
    """Hash of the episodes that a human took out of the memory that this backtest goes on from.

    Only a named memory (`memory.scope`) has any. Empty for a live bot.

    :raises StoreError: the store cannot be read.
    """
    settings = load_settings(config)
    scope = settings.memory.scope
    if not scope or config.get("runmode") in TRADE_MODES:
        return ""
    url = store_url(settings.store.url, Path(config["user_data_dir"]))
    if url.startswith("sqlite") and not file_of(url).is_file():
        return ""
    database = Database(url)
    try:
        lines = sorted(forgotten(database, scope))
    finally:
        database.close()
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16] if lines else ""
