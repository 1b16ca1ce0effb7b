"""Prompt versions in the store: kept for ever, promoted from a moment on, rolled back with a trace."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from agent_market.errors import StoreError
from agent_market.store.database import Database
from agent_market.store.prompts import StoredPrompt, promote, promotions, read_prompt, roll_back, save_prompt
from agent_market.store.schema import prompts

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
NEW = StoredPrompt("a" * 16, "aggressive", {"belief": "Look — at trends.", "decision": "Be bold."}, "0" * 16)
NEWER = StoredPrompt("b" * 16, "aggressive", {"belief": "Look again.", "decision": "Be bold."}, "a" * 16)


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(f"sqlite:///{tmp_path}/store.sqlite")


def test_a_version_reads_back_as_it_was_written_and_is_never_overwritten(database: Database) -> None:
    save_prompt(database, NEW)
    save_prompt(database, StoredPrompt(NEW.version, "judge", {"belief": "another"}, None))
    assert read_prompt(database, NEW.version) == NEW
    assert read_prompt(database, "f" * 16) is None


def test_promotions_come_in_the_order_in_which_they_take_force(database: Database) -> None:
    promote(database, NEWER, NEW.version, NOON + timedelta(days=30), {"p": 0.01})
    promote(database, NEW, "0" * 16, NOON, {"p": 0.02})
    first, second = promotions(database, "aggressive")
    assert (first.prompt, first.known_at, first.evidence) == (NEW, NOON, {"p": 0.02})
    assert (second.prompt, second.replaced) == (NEWER, NEW.version)
    assert promotions(database, "judge") == ()
    assert promotions(database) == (first, second)


def test_a_rollback_withdraws_the_newest_that_stands_and_leaves_its_trace(database: Database) -> None:
    promote(database, NEW, "0" * 16, NOON, {})
    promote(database, NEWER, NEW.version, NOON + timedelta(days=30), {})
    undone = roll_back(database, "aggressive")
    assert undone is not None
    assert undone.prompt == NEWER
    assert [p.withdrawn_at is None for p in promotions(database)] == [True, False]
    again = roll_back(database, "aggressive")
    assert again is not None
    assert again.prompt == NEW
    assert roll_back(database, "aggressive") is None
    assert len(promotions(database)) == 2
    assert read_prompt(database, NEWER.version) == NEWER


def test_a_damaged_version_is_named_with_the_way_out(database: Database) -> None:
    promote(database, NEW, "0" * 16, NOON, {})
    with database.begin() as connection:
        connection.execute(update(prompts).values(texts=b"[1"))
    with pytest.raises(StoreError, match="--rollback --role aggressive"):
        promotions(database)
