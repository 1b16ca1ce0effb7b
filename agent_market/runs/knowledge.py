"""What humans taught, as a part of a backtest's identity: predictions made without it are not reused."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from freqtrade.configuration import TimeRange
from freqtrade.enums import TRADE_MODES

from agent_market.config import load_settings
from agent_market.memory.note_store import NoteStore, forgotten
from agent_market.memory.notes import Note
from agent_market.store.backup import file_of
from agent_market.store.database import Database, store_url


def knowledge_digest(config: Mapping[str, Any]) -> str:
    """Hash of the notes that decisions of this backtest may see, and of what its named scope forgot.

    With notes and an embedder its weights are in it: a folder may get another model.

    Empty where there is nothing of both, so that an untaught store changes no identity; and for a live bot,
    which must not train all its models anew for a note: it takes in what is taught at its next candle.

    :raises StoreError: the store cannot be read.
    :raises ConfigError: the embedder cannot be loaded.
    """
    settings = load_settings(config)
    if config.get("runmode") in TRADE_MODES:
        return ""
    url = store_url(settings.store.url, Path(config["user_data_dir"]))
    if url.startswith("sqlite") and not file_of(url).is_file():
        return ""
    database = Database(url)
    try:
        end = _end(config)
        notes = NoteStore(database).all() if settings.memory.text.lessons else ()
        lines = [_line(note) for note in notes if note.times.known <= end]
        text = settings.memory.text
        if lines and text.embedder is not None and text.dense_weight > 0:
            # Which notes become lessons depends on the vectors, and those on the weights behind the name.
            from agent_market.memory.text.embedder import weights_digest  # noqa: PLC0415 - torch

            lines.append(f"embedder {weights_digest(text.embedder)}")
        scope = settings.memory.scope
        lines += sorted(forgotten(database, scope)) if scope else []
    finally:
        database.close()
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16] if lines else ""


def _line(note: Note) -> str:
    times = note.times
    return f"{note.digest}|{times.known}|{times.valid_from}|{times.invalid_from}|{note.pinned}|{note.trust}"


def _end(config: Mapping[str, Any]) -> datetime:
    ends = TimeRange.parse_timerange(str(config.get("timerange") or "")).stopts
    return datetime.fromtimestamp(ends, UTC) if ends else datetime.now(UTC)
