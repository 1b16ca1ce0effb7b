"""Prompt versions in the store: kept for ever, promoted from a moment on, rolled back with a trace."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from agent_market.errors import StoreError
from agent_market.store.database import Database
from agent_market.store.prompts import StoredPrompt, promote, promotions, read_prompt, roll_back, save_prompt
from agent_market.store.schema import variants
from agent_market.store.variants import promotions_mark, variant_id

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)


def a_prompt(belief: str, parent: str, role: str = "aggressive") -> StoredPrompt:
    texts = {"belief": belief, "decision": "Be bold."}
    return StoredPrompt(variant_id([role, texts])[:16], role, texts, parent)


NEW = a_prompt("Look — at trends.", "0" * 16)
NEWER = a_prompt("Look again.", NEW.version)


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(f"sqlite:///{tmp_path}/store.sqlite")


def test_a_version_reads_back_as_it_was_written_and_is_never_overwritten(database: Database) -> None:
    save_prompt(database, NEW)
    save_prompt(database, replace(NEW, parent="1" * 16))
    assert read_prompt(database, NEW.version) == NEW
    with pytest.raises(ValueError, match=NEW.version):
        save_prompt(database, StoredPrompt(NEW.version, "judge", {"belief": "another"}, None))
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


def test_a_damaged_version_is_named_with_the_way_out_and_the_way_out_works(database: Database) -> None:
    promote(database, NEW, "0" * 16, NOON, {})
    with database.begin() as connection:
        connection.execute(update(variants).values(body=b"[1"))
    with pytest.raises(StoreError, match="--rollback --role aggressive"):
        promotions(database)
    undone = roll_back(database, "aggressive")
    assert undone is not None
    assert undone.prompt.version == NEW.version


def test_a_role_whose_name_begins_with_anothers_keeps_its_own_promotions(database: Database) -> None:
    longer = a_prompt("Look.", "0" * 16, "aggressive_2")
    promote(database, longer, "0" * 16, NOON, {})
    assert promotions(database, "aggressive") == ()
    assert roll_back(database, "aggressive") is None
    assert [p.prompt for p in promotions(database, "aggressive_2")] == [longer]


def test_each_scope_has_promotions_and_rollbacks_of_its_own(database: Database) -> None:
    promote(database, NEW, "0" * 16, NOON, {}, scope="flow-a")
    promote(database, NEWER, "0" * 16, NOON, {}, scope="flow-b")
    assert [p.prompt for p in promotions(database, "aggressive", ("flow-a", ""))] == [NEW]
    assert roll_back(database, "aggressive") is None
    assert roll_back(database, "aggressive", "flow-b") is not None
    assert [p.withdrawn_at is None for p in promotions(database)] == [True, False]


def test_a_withdrawal_says_from_when_and_why_and_happens_once(database: Database) -> None:
    promote(database, NEW, "0" * 16, NOON, {})
    since = NOON + timedelta(days=3)
    assert roll_back(database, "aggressive", reason="it shouts", since=since) is not None
    (promotion,) = promotions(database)
    assert (promotion.ends, promotion.withdrawn_reason) == (since, "it shouts")
    assert promotion.withdrawn_at is not None
    assert promotion.withdrawn_at > since
    assert roll_back(database, "aggressive") is None
    assert promotions(database) == (promotion,)


def test_the_mark_moves_with_every_promotion_and_withdrawal_in_the_same_second_too(
    database: Database,
) -> None:
    marks = [promotions_mark(database)]
    for number in range(3):
        promote(database, NEW, "0" * 16, NOON, {}, scope=str(number))
        marks.append(promotions_mark(database))
    for number in range(3):
        roll_back(database, "aggressive", str(number))
        marks.append(promotions_mark(database))
    assert len(set(marks)) == 7
    assert promotions_mark(database) == marks[-1]
