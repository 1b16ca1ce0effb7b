"""Lines about a decision's orders: added, never changed, and seen only once they were known."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from agent_market.store.database import Database
from agent_market.store.risk_notes import RiskNote, add_risk_notes, begin_run, risk_notes_of
from tests.helpers.episode_makers import SCOPE, at

CLAMPS = {"clamps": [{"limit": "free_funds", "threshold": 0.1, "value": 0.02, "before": 9.0, "after": 4.5}]}


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(f"sqlite:///{tmp_path}/store.sqlite")


def note(hour: int, kind: str = "clamps", decision: str = "A/B@1", run: str = "live") -> RiskNote:
    return RiskNote(decision, "A/B", kind, at(hour), CLAMPS, run)


def test_lines_come_back_whole_and_in_the_order_they_were_added(database: Database) -> None:
    lines = (note(2), note(1, "refusal"), note(2))
    add_risk_notes(database, SCOPE, lines[:1])
    add_risk_notes(database, SCOPE, lines[1:])
    add_risk_notes(database, SCOPE, [])
    add_risk_notes(database, "other", [note(1)])
    add_risk_notes(database, SCOPE, [note(1, decision="A/B@2")])
    assert risk_notes_of(database, SCOPE, "A/B@1") == lines


def test_a_question_about_earlier_times_sees_only_what_was_known_then(database: Database) -> None:
    add_risk_notes(database, SCOPE, [note(1), note(3)])
    assert risk_notes_of(database, SCOPE, "A/B@1", at(3) - timedelta(microseconds=1)) == (note(1),)
    assert risk_notes_of(database, SCOPE, "A/B@1", at(3)) == (note(1), note(3))


def test_a_backtest_begins_afresh_and_leaves_others_alone(database: Database) -> None:
    mine, others, live = note(1, run="backtest/Mine"), note(1, run="backtest/Other"), note(1)
    add_risk_notes(database, SCOPE, [mine, others, live])
    begin_run(database, SCOPE, "backtest/Mine")
    assert risk_notes_of(database, SCOPE, "A/B@1") == (others, live)
