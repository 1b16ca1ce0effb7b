from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import event

from agent_market.config import MemorySettings
from agent_market.errors import StoreFull
from agent_market.memory.episodic import EpisodicMemory
from agent_market.store.database import Database
from agent_market.store.episodes import episodes_of
from tests.helpers.episode_makers import an_episode, an_outcome, at


class SmallDisk:
    """A store whose number of pages is limited: SQLite answers SQLITE_FULL, as on a full disk."""

    def __init__(self, path: Path) -> None:
        self.database = Database(f"sqlite:///{path}")
        self._pages = 1_000_000
        event.listen(self.database.engine, "begin", self._limit)

    def _limit(self, connection) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {self._pages}")

    def fill(self) -> None:
        with self.database.begin() as connection:
            self._pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one() + 2

    def make_room(self) -> None:
        self._pages = 1_000_000


def test_a_full_disk_loses_and_doubles_nothing(tmp_path: Path) -> None:
    disk = SmallDisk(tmp_path / "store.sqlite")
    memory = EpisodicMemory(disk.database, "test", "BTC/USDT", MemorySettings())
    first = an_episode(0)
    memory.remember(first)
    memory.flush()

    disk.fill()
    late = [an_episode(12 * n, belief="x" * 2000) for n in range(1, 40)]
    for episode in late:
        memory.remember(episode)
    settled = memory.settle(first, an_outcome(12))
    for _ in range(3):
        with pytest.raises(StoreFull, match="everything committed before is kept"):
            memory.flush()
    assert episodes_of(disk.database, "test") == (first,)
    assert memory.settled(at(12)) == (settled,)
    assert memory.unsettled() == tuple(late)

    disk.make_room()
    memory.flush()
    assert episodes_of(disk.database, "test") == (settled, *late)
    memory.flush()
    assert episodes_of(disk.database, "test") == (settled, *late)
    disk.database.close()


def test_what_could_not_be_written_survives_a_reload_of_the_memory(tmp_path: Path) -> None:
    disk = SmallDisk(tmp_path / "store.sqlite")
    memory = EpisodicMemory(disk.database, "test", "BTC/USDT", MemorySettings())
    disk.fill()
    late = [an_episode(12 * n, belief="x" * 2000) for n in range(40)]
    for episode in late:
        memory.remember(episode)
    with pytest.raises(StoreFull):
        memory.flush()
    memory.load(before=at(24))
    assert memory.unsettled() == tuple(late[:2])
    disk.make_room()
    memory.flush()
    assert episodes_of(disk.database, "test") == tuple(late)
    disk.database.close()
