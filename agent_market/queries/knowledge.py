"""Searching memory by words, with the index kept until what it was made from changes."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

from sqlalchemy import func, select

from agent_market.memory.long_term import LongTermMemory
from agent_market.memory.text.index import Aspects, Hit
from agent_market.queries.run_context import RunContext
from agent_market.store.schema import memory_generations, memory_log, notes

_State = tuple[str, str, int, int, int]

_lock = threading.Lock()
_kept: tuple[_State, LongTermMemory] | None = None


def search_memory(
    source: RunContext, text: str, asof: datetime | None = None, k: int = 5, pair: str | None = None
) -> tuple[Hit, ...]:
    """The `k` best notes and past words of the agents that were known at `asof` (None = now).

    :raises ConfigError: the embedder of the settings cannot be loaded.
    """
    global _kept
    with _lock:  # the index is not thread-safe, and building it twice at once is wasted work
        state = _state(source)
        if _kept is None or _kept[0] != state:
            _kept = (state, LongTermMemory(source.database, source.scope, source.settings.memory.text))
        return _kept[1].search(text, asof or datetime.now(UTC), k, Aspects(pair=pair))


def _state(source: RunContext) -> _State:
    generation = select(func.coalesce(func.sum(memory_generations.c.generation), 0))
    with source.database.begin() as connection:
        return (
            source.url,
            source.scope,
            int(connection.scalar(generation.where(memory_generations.c.scope == source.scope)) or 0),
            int(connection.scalar(select(func.max(memory_log.c.id))) or 0),
            int(connection.scalar(select(func.count()).select_from(notes)) or 0),
        )
