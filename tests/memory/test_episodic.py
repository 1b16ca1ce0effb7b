from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent_market.config import MemorySettings
from agent_market.errors import StoreError
from agent_market.memory.episodic import EpisodicMemory
from agent_market.store.database import Database
from agent_market.store.episodes import episodes_of, write_episodes
from tests.helpers.episode_makers import a_view, an_episode, an_outcome, at

SETTINGS = MemorySettings(k=2, k_max=3, min_neighbours=1)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'store.sqlite'}")
    yield database
    database.close()


@pytest.fixture
def memory(database: Database) -> EpisodicMemory:
    return EpisodicMemory(database, "test", "BTC/USDT", SETTINGS)


def test_an_outcome_is_recalled_from_the_moment_it_is_known_and_not_before(memory: EpisodicMemory) -> None:
    episode = an_episode(0, state=(3.0, 4.0))
    memory.remember(episode)
    memory.settle(episode, an_outcome(12, 0.05))
    assert memory.recall(a_view(11)).neighbours == ()
    (neighbour,) = memory.recall(a_view(12)).neighbours
    assert (neighbour.episode_id, neighbour.asof, neighbour.known_at) == (episode.id, at(0), at(12))
    assert (neighbour.distance, neighbour.market_return) == (5.0, 0.05)
    assert memory.settled(at(12) - timedelta(microseconds=1)) == ()
    assert memory.settled(datetime.max.replace(tzinfo=UTC))[0].outcome == an_outcome(12, 0.05)


def test_the_nearest_come_first_and_no_more_than_k_max(memory: EpisodicMemory) -> None:
    for n in range(6):
        memory.remember(an_episode(12 * n, state=(float(n), 0.0), outcome=an_outcome(12 * n + 12)))
    recall = memory.recall(a_view(96, state=(4.2, 0.0)))
    assert [n.episode_id for n in recall.neighbours] == ["BTC/USDT@48", "BTC/USDT@60", "BTC/USDT@36"]
    assert recall.asof == at(96)


def test_settled_episodes_are_ordered_by_when_they_were_known_then_decided(memory: EpisodicMemory) -> None:
    late, b, a = an_episode(24), an_episode(12), an_episode(0)
    for episode, known in ((late, 36), (b, 30), (a, 30)):
        memory.remember(episode)
        memory.settle(episode, an_outcome(known))
    assert [e.id for e in memory.settled(at(36))] == [a.id, b.id, late.id]
    assert [e.id for e in memory.settled(at(35))] == [a.id, b.id]


def test_unsettled_episodes_wait_in_order_of_time(memory: EpisodicMemory) -> None:
    for hour in (24, 0, 12):
        memory.remember(an_episode(hour))
    assert [e.view.asof for e in memory.unsettled()] == [at(0), at(12), at(24)]
    settled = memory.settle(an_episode(12), an_outcome(24))
    assert settled == replace(an_episode(12), outcome=an_outcome(24))
    assert [e.view.asof for e in memory.unsettled()] == [at(0), at(24)]


def test_a_reload_holds_exactly_what_was_decided_before(memory: EpisodicMemory, database: Database) -> None:
    for hour in (0, 12, 24):
        memory.remember(an_episode(hour, state=(hour, 1.0)))
    memory.settle(an_episode(0, state=(0.0, 1.0)), an_outcome(12))
    memory.flush()
    fresh = EpisodicMemory(database, "test", "BTC/USDT", SETTINGS)
    fresh.load(before=at(24))
    assert fresh.settled(at(99)) == memory.settled(at(99))
    assert [e.view.asof for e in fresh.unsettled()] == [at(12)]
    assert fresh.recall(a_view(30)) == memory.recall(a_view(30))
    memory.load(before=at(0))
    assert (memory.settled(at(99)), memory.unsettled()) == ((), ())


def test_deciding_again_after_a_rewind_replaces_the_row(memory: EpisodicMemory, database: Database) -> None:
    memory.remember(an_episode(0, outcome=an_outcome(12)))
    memory.flush()
    memory.load(before=at(0))
    memory.remember(an_episode(0))
    memory.flush()
    assert episodes_of(database, "test") == (an_episode(0, outcome=an_outcome(12)),)


def test_what_has_been_written_waits_no_more(memory: EpisodicMemory, database: Database) -> None:
    memory.remember(an_episode(0))
    memory.flush()
    with database.begin() as connection:
        connection.exec_driver_sql("DELETE FROM episodes")
    memory.remember(an_episode(12))
    memory.flush()
    assert episodes_of(database, "test") == (an_episode(12),)


def test_another_pair_or_scope_is_neither_loaded_nor_accepted(
    memory: EpisodicMemory, database: Database
) -> None:
    strangers = [an_episode(0, pair="ETH/USDT"), an_episode(0, scope="other")]
    write_episodes(database, strangers)
    memory.load(before=at(99))
    assert memory.unsettled() == ()
    for stranger in strangers:
        with pytest.raises(ValueError, match="this memory of test/BTC/USDT"):
            memory.remember(stranger)


def test_an_outcome_cannot_be_given_twice_or_before_the_decision(memory: EpisodicMemory) -> None:
    episode = an_episode(6)
    with pytest.raises(ValueError, match="not unsettled"):
        memory.settle(episode, an_outcome(18))
    memory.remember(episode)
    with pytest.raises(ValueError, match="not after the decision"):
        memory.settle(episode, an_outcome(6))
    memory.settle(episode, an_outcome(18))
    with pytest.raises(ValueError, match="not unsettled"):
        memory.settle(episode, an_outcome(18))
    with pytest.raises(ValueError, match="settled already"):
        memory.remember(episode)


def test_an_unsettled_episode_of_equal_time_is_replaced(memory: EpisodicMemory) -> None:
    memory.remember(an_episode(0))
    again = an_episode(0, depths={"quant": -5.0})
    memory.remember(again)
    assert memory.unsettled() == (again,)


def test_states_of_another_length_are_an_error_that_says_what_to_do(
    memory: EpisodicMemory, database: Database
) -> None:
    memory.remember(an_episode(0, state=(1.0, 2.0)))
    with pytest.raises(StoreError, match=r"3 numbers.*have 2.*memory\.scope"):
        memory.remember(an_episode(12, state=(1.0, 2.0, 3.0)))
    with pytest.raises(StoreError, match=r"memory\.scope"):
        memory.recall(a_view(12, state=(1.0,)))
    write_episodes(database, [an_episode(0), an_episode(12, state=(1.0,))])
    with pytest.raises(StoreError, match=r"memory\.scope"):
        EpisodicMemory(database, "test", "BTC/USDT", SETTINGS).load(before=at(99))
