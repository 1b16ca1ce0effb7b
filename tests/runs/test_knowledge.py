"""What was taught is a part of a backtest's identity, and of no live bot's."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from freqtrade.enums import RunMode

from agent_market.memory.bitemporal import Times
from agent_market.memory.note_store import AuditEntry, NoteStore
from agent_market.memory.notes import Note
from agent_market.runs.identity import derive_identifier
from agent_market.runs.knowledge import knowledge_digest
from agent_market.store.database import Database


def config(folder: Path, **section: Any) -> dict[str, Any]:
    return {
        "user_data_dir": folder,
        "timeframe": "1h",
        "timerange": "20240101-20240601",
        "runmode": RunMode.BACKTEST,
        "exchange": {"pair_whitelist": ["BTC/USDT"]},
        "freqai": {"identifier": "mine"},
        "agent_market": section,
    }


def teach(folder: Path, known: datetime, text: str = "Patience pays in calm markets") -> str:
    database = Database(f"sqlite:///{folder}/agent_market.sqlite")
    note = Note(text, "ann", Times(known, known, known))
    NoteStore(database).teach(note, AuditEntry("ann", known))
    database.close()
    return note.id


class Model:
    pass


@pytest.mark.parametrize("section", [{}, {"memory": {"scope": "named"}}])
def test_an_untaught_store_or_none_changes_no_identity(tmp_path: Path, section: dict[str, Any]) -> None:
    assert knowledge_digest(config(tmp_path, **section)) == ""
    assert not (tmp_path / "agent_market.sqlite").exists()
    Database(f"sqlite:///{tmp_path}/agent_market.sqlite").close()
    assert knowledge_digest(config(tmp_path, **section)) == ""


def test_a_note_that_decisions_may_see_makes_another_run_and_a_later_one_does_not(tmp_path: Path) -> None:
    plain = derive_identifier(config(tmp_path), Model)
    teach(tmp_path, datetime(2026, 1, 1, tzinfo=UTC))
    assert derive_identifier(config(tmp_path), Model) == plain
    note = teach(tmp_path, datetime(2024, 3, 1, tzinfo=UTC), "Losses cluster in wild markets")
    taught = derive_identifier(config(tmp_path), Model)
    assert taught != plain
    off = config(tmp_path, memory={"text": {"lessons": 0}})
    assert knowledge_digest(off) == ""
    assert knowledge_digest({**config(tmp_path), "runmode": RunMode.DRY_RUN}) == ""
    database = Database(f"sqlite:///{tmp_path}/agent_market.sqlite")
    NoteStore(database).forget(note, AuditEntry("ann", datetime(2024, 4, 1, tzinfo=UTC)))
    database.close()
    assert derive_identifier(config(tmp_path), Model) == plain
