from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.dialects import postgresql

from agent_market.errors import StoreError
from agent_market.store import schema
from agent_market.store.database import Database
from agent_market.store.episodes import _upsert, episodes_of, read_episodes, scopes_of, write_episodes
from tests.helpers.episode_makers import an_episode, an_outcome, at


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'store.sqlite'}")
    yield database
    database.close()


def rows_of(database: Database) -> list[tuple]:
    with database.begin() as connection:
        return [tuple(row) for row in connection.execute(select(schema.episodes))]


def test_episodes_come_back_in_order_of_time_then_pair(database: Database) -> None:
    late, early = an_episode(24), an_episode(12, outcome=an_outcome(24))
    other = an_episode(12, pair="ADA/USDT")
    write_episodes(database, [late, early, other])
    assert episodes_of(database, "test") == (other, early, late)
    assert episodes_of(database, "test", "BTC/USDT") == (early, late)
    assert episodes_of(database, "another scope") == ()


def test_only_what_was_decided_before_the_given_moment_is_read(database: Database) -> None:
    write_episodes(database, [an_episode(hour) for hour in (0, 12, 24)])
    assert read_episodes(database, "test", "BTC/USDT", before=at(12)) == [an_episode(0)]


def test_writing_the_same_again_changes_no_byte_and_keeps_the_outcome(database: Database) -> None:
    settled = an_episode(0, outcome=an_outcome(12))
    write_episodes(database, [settled, an_episode(12)])
    before = rows_of(database)
    write_episodes(database, [replace(settled, outcome=None), an_episode(12)])
    assert rows_of(database) == before


def test_another_decision_at_the_same_time_does_not_inherit_the_outcome(database: Database) -> None:
    write_episodes(database, [an_episode(0, outcome=an_outcome(12))])
    another = an_episode(0, depths={"quant": -3.0})
    write_episodes(database, [another])
    assert episodes_of(database, "test") == (another,)
    assert rows_of(database)[0][5] is None


def test_an_id_taken_by_another_decision_is_an_error_and_nothing_is_written(database: Database) -> None:
    write_episodes(database, [an_episode(0)])
    second = an_episode(12)
    thief = replace(second, decision=replace(second.decision, id=an_episode(0).id))
    with pytest.raises(StoreError, match="UNIQUE"):
        write_episodes(database, [an_episode(24), thief])
    assert episodes_of(database, "test") == (an_episode(0),)


def test_equal_episodes_give_equal_rows_in_two_stores(tmp_path: Path) -> None:
    batch = [an_episode(h, state=(h / 7, -h / 3), outcome=an_outcome(h + 12, h / 900)) for h in range(20)]
    written = []
    for name, order in (("a", batch), ("b", batch[::-1])):
        database = Database(f"sqlite:///{tmp_path / name}.sqlite")
        write_episodes(database, order)
        written.append(sorted(rows_of(database)))
        database.close()
    assert written[0] == written[1]


def test_reading_leaves_the_garbage_collector_as_it_was(database: Database) -> None:
    write_episodes(database, [an_episode(0)])
    with database.begin() as connection:
        connection.execute(schema.episodes.update().values(record=b"damaged"))
    with pytest.raises(StoreError, match="damaged"):
        episodes_of(database, "test")
    assert gc.isenabled()


def test_scopes_are_listed_once_each(database: Database) -> None:
    write_episodes(database, [an_episode(0, scope="live"), an_episode(12, scope="live"), an_episode(0)])
    assert scopes_of(database) == ("live", "test")


def test_postgresql_gets_an_upsert_of_its_own_dialect() -> None:
    sql = str(_upsert("postgresql").compile(dialect=postgresql.dialect()))
    assert "ON CONFLICT (scope, pair, asof) DO UPDATE SET" in sql
    assert "excluded.record = episodes.record" in sql


def test_a_database_without_upserts_is_refused_by_name() -> None:
    with pytest.raises(StoreError, match="'mysql'"):
        _upsert("mysql")
