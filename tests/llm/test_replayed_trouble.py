"""A committee that was recorded with too little money, or through an outage, is replayed as it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_market.agents.committee import Committee, Deliberation
from agent_market.agents.roles import ROLES
from agent_market.config import AgentSettings, BudgetSettings, Caps, DebateSettings
from agent_market.llm.answers.sources import open_answers
from agent_market.llm.decision_context import decision_context
from agent_market.llm.endpoints import model_endpoint as line_module
from agent_market.sandbox.faults import FaultRegistry, ServerError
from agent_market.sandbox.model import create_model_app
from agent_market.sandbox.server import running
from agent_market.store.database import Database
from tests.helpers.agent_makers import GIVEN, llm, market_view, recall

HOURS = 6
SETTINGS = AgentSettings(debate=DebateSettings(mode="full"))
PLENTY = BudgetSettings()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path}/store.sqlite")
    yield opened
    opened.close()


def decisions(database: Database, mode: str, url: str, budget: BudgetSettings) -> list[Deliberation]:
    answers = open_answers(llm(url, mode=mode, retries=0), database, budget)
    committee = Committee(ROLES, answers, settings=SETTINGS)
    made = []
    for hour in range(HOURS):
        view = market_view({"return_24": 0.01 * hour, "rsi_14": 0.4 + 0.03 * hour}, hours=hour)
        with decision_context(f"{hour}"):
            made.append(committee.deliberate(view, recall(), GIVEN))
    committee.close()
    return made


def replayed(database: Database) -> list[Deliberation]:
    return decisions(database, "replay", "http://127.0.0.1:9/v1", PLENTY)


def test_a_run_that_ran_out_of_money_is_replayed_as_it_was_and_recorded_anew_with_more(
    database: Database,
) -> None:
    with running(create_model_app()) as url:
        whole = decisions(database, "live", f"{url}/v1", PLENTY)
        calls = sum(1 + len(d.debate.turns) for d in whole if d.debate is not None)
    assert all(d.debate is not None for d in whole)
    other = Database(f"{database.url}.other")
    with running(create_model_app()) as url:
        poor = decisions(
            other, "record", f"{url}/v1", BudgetSettings(run=Caps(calls=calls // 2, tokens=10**9, cost=10**6))
        )
        assert replayed(other) == poor
        rich = decisions(other, "record", f"{url}/v1", PLENTY)
    assert any(d.debate is not None for d in poor)
    assert any(d.debate is None for d in poor), "debates were given up as the budget ran low"
    assert any("BudgetExhausted" in str(v.abstained_reason) for d in poor for v in d.views)
    assert rich == whole
    assert replayed(other) == rich
    other.close()


def test_an_outage_is_replayed_as_it_was(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_module, "BACKOFF_S", 0.001)
    board = FaultRegistry()
    with running(create_model_app(board)) as url:
        board.set([ServerError(probability=0.3)])
        broken = decisions(database, "record", f"{url}/v1", PLENTY)
    assert any(v.abstains for d in broken for v in d.views)
    assert replayed(database) == broken
