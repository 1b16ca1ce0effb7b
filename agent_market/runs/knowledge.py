"""What humans taught, as a part of a backtest's identity: predictions made without it are not reused."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from freqtrade.configuration import TimeRange
from freqtrade.enums import TRADE_MODES
from sqlalchemy import select

from agent_market.books import shelf_digests
from agent_market.config import load_settings
from agent_market.memory.note_store import forgotten, pins
from agent_market.store.backup import file_of
from agent_market.store.database import Database, store_url
from agent_market.store.schema import episodes


def knowledge_digest(config: Mapping[str, Any]) -> str:
    """Hash of the notes that decisions of this backtest may see, and of what its named scope forgot.

    With notes and an embedder its weights are in it: a folder may get another model.

    Empty where there is nothing of both, so that an untaught store changes no identity; and for a live bot,
    which must not retrain all its models for a note: it takes in what is taught at its next candle.

    :raises StoreError: the store cannot be read.
    :raises ConfigError: the embedder cannot be loaded.
    """
    parts = (
        shelf_digests(config, ("lessons",))["lessons"],
        embedder_digest(config),
        forgotten_digest(config),
    )
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:16] if any(parts) else ""


def embedder_digest(config: Mapping[str, Any]) -> str:
    """Hash of the weights of the text embedder; empty where notes are not embedded, and for a live bot.

    Which notes become lessons depends on the vectors, and those on the weights behind the name.

    :raises ConfigError: the embedder cannot be loaded.
    """
    text = load_settings(config).memory.text
    is_used = text.lessons and text.embedder is not None and text.dense_weight > 0
    if not is_used or config.get("runmode") in TRADE_MODES:
        return ""
    if not shelf_digests(config, ("lessons",))["lessons"]:
        return ""
    from agent_market.memory.text.embedder import weights_digest  # noqa: PLC0415 - torch

    return weights_digest(str(text.embedder))


def forgotten_digest(config: Mapping[str, Any]) -> str:
    """Hash of the episodes that a human forgot or pinned in the memory that this backtest goes on from.

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
        lines += [f"pin {name} {log}" for name, log in sorted(pins(database, scope).items())]
    finally:
        database.close()
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16] if lines else ""


def earlier_episodes_digest(config: Mapping[str, Any]) -> str:
    """Hash of the decisions in the named memory scope from before this backtest, which it remembers.

    Empty without `memory.scope`, without any, and for a live bot.  Those that the backtest makes itself do
    not count, nor do outcomes, which it settles itself.

    :raises StoreError: the store cannot be read.
    """
    settings = load_settings(config)
    starts = TimeRange.parse_timerange(str(config.get("timerange") or "")).startts
    scope = settings.memory.scope
    if not scope or not starts or config.get("runmode") in TRADE_MODES:
        return ""
    url = store_url(settings.store.url, Path(config["user_data_dir"]))
    if url.startswith("sqlite") and not file_of(url).is_file():
        return ""
    chosen = (episodes.c.scope == scope, episodes.c.asof < starts)
    columns = (episodes.c.pair, episodes.c.asof, episodes.c.id, episodes.c.record)
    digest, rows = hashlib.sha256(), 0
    database = Database(url)
    try:
        with database.begin() as connection:
            query = select(*columns).where(*chosen).order_by(episodes.c.pair, episodes.c.asof)
            for pair, asof, name, record in connection.execute(query):
                digest.update(f"{pair}|{asof}|{name}|".encode())
                digest.update(record)
                rows += 1
    finally:
        database.close()
    return digest.hexdigest()[:16] if rows else ""
