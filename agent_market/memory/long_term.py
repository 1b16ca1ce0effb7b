"""Long-term memory: all that was lived through and taught, searched by text, as it stood at a moment.

Recall by market state is `memory.episodic`'s; `memory.retriever` adds the other aspects of likeness to it.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from agent_market.config import TextSettings
from agent_market.memory.episode_text import episode_texts
from agent_market.memory.gates import Rule, ViewFilter
from agent_market.memory.note_store import NoteStore, forgotten
from agent_market.memory.text.embedder import open_embedder
from agent_market.memory.text.index import Aspects, Hit, TextIndex
from agent_market.store.database import Database
from agent_market.store.episodes import read_episodes


class LongTermMemory:
    """The notes of a store and what the agents said in the settled episodes of one scope."""

    def __init__(self, database: Database, scope: str | None, settings: TextSettings) -> None:
        """
        :param scope: whose episodes; None = notes alone.
        :raises ConfigError: the embedder of the settings cannot be loaded.
        """
        gate = ViewFilter()
        items = [note.item() for note in NoteStore(database).all()]
        if scope is not None:
            gone = forgotten(database, scope)
            lived = [e for e in read_episodes(database, scope) if e.id not in gone]
            items += episode_texts(lived, gate)
        self.refused: Counter[Rule] = gate.refused
        """How many views the gate left out of search, by rule."""
        self._index = TextIndex(settings, open_embedder(settings.embedder, database), items)

    def __len__(self) -> int:
        return len(self._index)

    def search(self, query: str, asof: datetime, k: int, aspects: Aspects | None = None) -> tuple[Hit, ...]:
        """The `k` best texts known and valid at `asof`; see `TextIndex.search`."""
        return self._index.search(query, int(asof.timestamp()), k, aspects)
