"""At decide-time a pair knows nothing of other pairs' decisions: their order changes no episode."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import pytest

from agent_market.agents.committee import Committee
from agent_market.agents.roles import role_table
from agent_market.config import AgentMarketSettings
from agent_market.decision.experts.virtual_experts import seats
from agent_market.features.features import WARM_UP
from agent_market.llm.egress.identifiers import Vocabulary
from agent_market.memory.bitemporal import Times
from agent_market.memory.note_store import AuditEntry, NoteStore
from agent_market.memory.notes import Note
from agent_market.pipeline.columns import ColumnSchema
from agent_market.pipeline.session import PairSession
from agent_market.records import Episode
from agent_market.store.database import Database
from agent_market.store.episodes import episodes_of
from tests.helpers.scripted import HOUR, ScriptedAnswers, candle_arrays, part, random_candles, rows_of

PAIRS = ("BTC/USDT", "ETH/USDT", "SOL/USDT")
FIRST, WINDOW = WARM_UP, 60
HOURS = FIRST + 4 * WINDOW
CANDLES = {pair: random_candles(seed, HOURS) for seed, pair in enumerate(PAIRS)}


def episodes_in(file: Path, order: Sequence[str], by_window: bool) -> tuple[Episode, ...]:
    """All decisions of one run over one store and one committee, pair after pair or window after window."""
    database = Database(f"sqlite:///{file}")
    known = CANDLES[PAIRS[0]]["date"].iloc[FIRST].to_pydatetime()
    NoteStore(database).teach(
        Note("Do not chase.", "ann", Times(known, known, known)), AuditEntry("ann", known)
    )
    settings = AgentMarketSettings.model_validate({"decision": {"cadence_candles": 6, "horizon_candles": 6}})
    roles = role_table(settings.agents)
    committee = Committee(roles, ScriptedAnswers(), settings=settings.agents, vocabulary=Vocabulary(PAIRS))
    schema = ColumnSchema(seats([r.name for r in roles], settings.decision), settings.memory.k_max)
    sessions = {
        pair: PairSession(pair, "1h", HOUR, "test", settings, database, committee, schema) for pair in order
    }
    windows = range(FIRST, HOURS, WINDOW)
    steps = itertools.product(windows, order) if by_window else ((w, p) for p in order for w in windows)
    for start, pair in steps:
        rows = part(rows_of(CANDLES[pair]), start, min(start + WINDOW, HOURS))
        sessions[pair].advance(rows, candle_arrays(CANDLES[pair]))
    found = episodes_of(database, "test")
    database.close()
    return found


@pytest.mark.parametrize("order", [PAIRS[::-1], (PAIRS[1], PAIRS[2], PAIRS[0])])
@pytest.mark.parametrize("by_window", [False, True])
def test_the_order_of_the_pairs_changes_no_episode(
    tmp_path: Path, order: tuple[str, ...], by_window: bool
) -> None:
    expected = episodes_in(tmp_path / "first.sqlite", PAIRS, by_window=False)
    assert {e.view.pair for e in expected} == set(PAIRS)
    assert sum(e.outcome is not None for e in expected) > 30
    assert episodes_in(tmp_path / "other.sqlite", order, by_window) == expected
