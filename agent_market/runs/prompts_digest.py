"""Promoted prompts, as a part of a backtest's identity: what was predicted with others is not reused."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from freqtrade.configuration import TimeRange
from freqtrade.enums import TRADE_MODES

from agent_market.agents.committee import prompt_book
from agent_market.config import load_settings
from agent_market.store.backup import file_of
from agent_market.store.database import Database, store_url


def prompts_digest(config: Mapping[str, Any]) -> str:
    """Hash of the promotions that decisions of this backtest may use.

    Empty where there is none, so that a store without tuned prompts changes no identity; and for a live bot,
    whose models need not be trained anew for a prompt.

    :raises StoreError: the store cannot be read.
    """
    settings = load_settings(config)
    if config.get("runmode") in TRADE_MODES:
        return ""
    url = store_url(settings.store.url, Path(config["user_data_dir"]))
    if url.startswith("sqlite") and not file_of(url).is_file():
        return ""
    ends = TimeRange.parse_timerange(str(config.get("timerange") or "")).stopts
    database = Database(url)
    try:
        until = datetime.fromtimestamp(ends, UTC) if ends else None
        return prompt_book(settings, database, until).digest
    finally:
        database.close()
