"""`agent-market prompts`: what is in force for whom, and withdrawing it from now on or at any time."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agent_market import cli
from agent_market.agents.committee import prompt_book
from agent_market.agents.roles import ROLES
from agent_market.agents.tuning.versions import prompt_version, version_of
from agent_market.config import load_settings
from agent_market.store.database import Database
from agent_market.store.prompts import StoredPrompt, promote, promotions

ROLE = "aggressive"
OWN = version_of(next(role for role in ROLES if role.name == ROLE)) or ""
TEXTS = {"belief": "Follow volume.", "decision": "Decide."}
TUNED = StoredPrompt(prompt_version(ROLE, TEXTS), ROLE, TEXTS, OWN)
MARCH = datetime(2024, 3, 1, tzinfo=UTC)
SECTION = {"llm": {"base_url": "http://127.0.0.1:9/v1", "model": "heuristic"}}


class Desk:
    """A user_data folder with a config and a store in which a prompt was promoted for two scopes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        config = json.loads((Path(__file__).parents[2] / "config" / "sandbox.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, "agent_market": SECTION}))
        self.database = Database(f"sqlite:///{folder}/agent_market.sqlite")
        for scope in ("", "flow-a"):
            promote(self.database, TUNED, OWN, MARCH, {"model": "heuristic"}, scope)

    def run(self, *arguments: str) -> Result:
        places = ["--userdir", str(self.folder), "-c", str(self.folder / "config.json")]
        return CliRunner().invoke(cli.app, ["prompts", *arguments, *places])

    def told(self, asof: datetime, scope: str = "") -> str | None:
        book = prompt_book(load_settings({"agent_market": SECTION}), self.database, scope)
        return next(version_of(role) for role in book.at(asof) if role.name == ROLE)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_withdrawal_counts_from_now_on_for_its_scope_and_says_why(desk: Desk) -> None:
    done = desk.run("withdraw", "--role", ROLE, "--reason", "it shouts")
    assert done.exit_code == 0, done.output
    assert f"{TUNED.version} is withdrawn; {OWN} is in force again" in done.output
    now = datetime.now(UTC) + timedelta(minutes=1)
    assert (desk.told(MARCH), desk.told(now), desk.told(now, "flow-a")) == (TUNED.version, OWN, TUNED.version)
    listed = json.loads(desk.run("list", "--json").output)
    assert [(row["scope"], row["withdrawn_reason"]) for row in listed] == [("", "it shouts"), ("flow-a", "")]
    again = desk.run("withdraw", "--role", ROLE)
    assert "no promotion of agent 'aggressive' stands" in str(again.exception)
    assert "--for names one of: flow-a" in str(again.exception)


def test_a_withdrawal_at_any_time_of_one_scope_leaves_the_others(desk: Desk) -> None:
    done = desk.run("withdraw", "--role", ROLE, "--for", "flow-a", "--at-any-time", "--json")
    assert json.loads(done.output) == {"withdrawn": TUNED.version, "in_force": OWN}
    assert [p.ends for p in promotions(desk.database)] == [None, MARCH]
    # The flow falls back to what was promoted for every run.
    assert desk.told(MARCH, "flow-a") == TUNED.version
    assert "flow-a" in desk.run("list", "--role", ROLE).output
