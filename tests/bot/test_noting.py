"""What the risk journal says of a decision is kept in the store beside it, live and in backtests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from freqtrade.enums import RunMode

from agent_market.bot.journal.decision_notes import DecisionNotes
from agent_market.bot.journal.journal import Journal
from agent_market.errors import StoreFull
from agent_market.queries import run_context as sources
from agent_market.store.database import Database
from agent_market.store.episode_json import digest_of
from agent_market.store.episodes import episodes_of, write_episodes
from agent_market.store.risk_notes import RiskNote, risk_notes_of
from tests.helpers.episode_makers import an_episode, at

CLAMPS = [{"limit": "free_funds", "threshold": 0.1, "value": 0.02, "before": 9.0, "after": 4.5}]
DECISION = "BTC/USDT@1"


def config(user_data: Path, mode: RunMode) -> dict[str, Any]:
    return {"user_data_dir": user_data, "runmode": mode, "freqai": {"identifier": "mine-0123"}}


@pytest.fixture
def store(tmp_path: Path) -> Database:
    database = Database(f"sqlite:///{tmp_path}/agent_market.sqlite")
    write_episodes(database, [an_episode(1, scope=scope) for scope in ("live", "mine-0123")])
    return database


def test_a_live_bots_lines_are_added_as_they_are_flushed(tmp_path: Path, store: Database) -> None:
    journal = Journal(tmp_path, keep=DecisionNotes(config(tmp_path, RunMode.DRY_RUN), "Any"))
    before = digest_of(episodes_of(store, "live"))
    line = journal.note("clamps", "BTC/USDT", f"buy {DECISION}", mode="initial", clamps=CLAMPS)
    journal.note("refusal", "BTC/USDT", "forced", mode="initial", cause="of no decision")
    journal.flush()
    journal.note("refusal", "BTC/USDT", f"buy {DECISION}", mode="initial", cause="free_funds")
    journal.flush()
    journal.flush()
    first, second = risk_notes_of(store, "live", DECISION)
    assert (first.kind, first.data) == ("clamps", {"mode": "initial", "clamps": CLAMPS})
    assert first.known_at.isoformat()[:19] == line["at"][:19]
    assert (second.kind, second.data["cause"]) == ("refusal", "free_funds")
    assert digest_of(episodes_of(store, "live")) == before, "a replay's digest does not change"


def test_a_backtests_lines_are_known_at_their_candle_and_begin_afresh(
    tmp_path: Path, store: Database
) -> None:
    for hour in (5, 6):  # the second run of the same backtest
        keep = DecisionNotes(config(tmp_path, RunMode.BACKTEST), "Mine")
        journal = Journal(tmp_path / "backtest", live=False, keep=keep)
        journal.note("clamps", "BTC/USDT", DECISION, candle=at(hour).isoformat(), clamps=CLAMPS)
        journal.flush()
        journal.flush()
    data = {"candle": at(6).isoformat(), "clamps": CLAMPS}
    expected = RiskNote(DECISION, "BTC/USDT", "clamps", at(6), data, "backtest/Mine")
    assert risk_notes_of(store, "mine-0123", DECISION) == (expected,)
    keep = DecisionNotes(config(tmp_path, RunMode.BACKTEST), "Mine")
    Journal(tmp_path / "backtest", live=False, keep=keep).flush()
    assert risk_notes_of(store, "mine-0123", DECISION) == (), "nothing was clamped in the third"


def test_what_the_store_cannot_take_waits_and_the_file_does_not(
    tmp_path: Path, store: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journal(tmp_path, keep=DecisionNotes(config(tmp_path, RunMode.DRY_RUN), "Any"))

    def full(*given: Any) -> None:
        raise StoreFull("no room")

    with monkeypatch.context() as patched:
        patched.setattr("agent_market.bot.journal.decision_notes.add_risk_notes", full)
        for cause in ("first", "second"):
            journal.note("refusal", "BTC/USDT", DECISION, cause=cause)
            journal.flush()
    assert caplog.text.count("cannot be stored") == 1
    assert len((tmp_path / "risk.jsonl").read_text().splitlines()) == 2
    journal.flush()
    assert [n.data["cause"] for n in risk_notes_of(store, "live", DECISION)] == ["first", "second"]


def test_a_strategy_without_our_model_gets_no_store(tmp_path: Path) -> None:
    journal = Journal(tmp_path, keep=DecisionNotes(config(tmp_path, RunMode.DRY_RUN), "Any"))
    journal.note("refusal", "BTC/USDT", DECISION, cause="x")
    journal.flush()
    assert not (tmp_path / "agent_market.sqlite").exists()


@pytest.fixture(autouse=True)
def _own_stores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_stores", {})
