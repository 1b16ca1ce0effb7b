"""`agent-market tune-prompts` and `stability` over the sandbox model: from config to next decision."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from agent_market import cli
from agent_market.agents.committee import open_committee
from agent_market.agents.roles import ROLES
from agent_market.agents.tuning.versions import version_of
from agent_market.config import load_settings
from agent_market.records import Episode
from agent_market.sandbox.model import create_model_app
from agent_market.sandbox.server import running
from agent_market.store.database import Database
from agent_market.store.episodes import write_episodes
from agent_market.store.prompts import promotions
from tests.helpers.planted_decisions import recorded as planted

SCOPE = "recorded"
TUNING = {"least_training": 100, "least_validation": 100, "proposals": 4, "minibatch": 100, "shown_cases": 2}
OWN = version_of(next(role for role in ROLES if role.name == "aggressive"))


@pytest.fixture(scope="module")
def model() -> Iterator[str]:
    with running(create_model_app()) as url:
        yield f"{url}/v1"


class Desk:
    """A user_data folder with a config and recorded decisions."""

    def __init__(self, folder: Path, model: str, episodes: tuple[Episode, ...], **section: Any) -> None:
        self.folder = folder
        section = {"llm": {"base_url": model}, "tuning": TUNING, **section}
        config = json.loads((Path(__file__).parents[2] / "config" / "sandbox.json").read_text())
        config["agent_market"] = section
        self.config = folder / "config.json"
        self.config.write_text(json.dumps(config))
        self.settings = load_settings({"agent_market": section})
        self.database = Database(f"sqlite:///{folder}/agent_market.sqlite")
        write_episodes(self.database, episodes)

    def run(self, *arguments: str) -> Result:
        fixed = ["--userdir", str(self.folder), "-c", str(self.config)]
        return CliRunner().invoke(cli.app, [*arguments, *fixed])


@pytest.fixture
def desk(tmp_path: Path, model: str) -> Desk:
    return Desk(tmp_path, model, planted(420, -0.5, 1, SCOPE))


def tune(desk: Desk, *more: str) -> Result:
    return desk.run("tune-prompts", "--role", "aggressive", "--scope", SCOPE, *more)


@pytest.mark.slow
def test_a_planted_edge_goes_from_recorded_decisions_to_the_next_decision_and_back(desk: Desk) -> None:
    done = tune(desk)
    assert done.exit_code == 0, done.output
    assert "decisions to search on" in done.output
    assert "proposal 1 of 4: belief" in done.output
    assert "promoted: decisions of aggressive from" in done.output
    assert "Fade: momentum_24." in done.output
    (promotion,) = promotions(desk.database)

    late, early = planted(1, -0.5, 2)[0], planted(1, -0.5, 1)[0]
    committee = open_committee(desk.settings, desk.database, desk.folder)
    given = {v.agent: v for v in late.views if v.agent in ("quant", "memory")}
    try:
        before = committee.ask(early.view, early.recall, given)
        moved = late.view.__class__(
            **{**{f: getattr(late.view, f) for f in late.view.__slots__}, "asof": promotion.known_at}
        )
        after = committee.ask(moved, late.recall, given)
    finally:
        committee.close()
    assert next(v.prompt for v in before if v.agent == "aggressive") == OWN
    assert next(v.prompt for v in after if v.agent == "aggressive") == promotion.prompt.version
    assert next(v.prompt for v in after if v.agent == "quant") is None

    listed = json.loads(desk.run("tune-prompts", "--list", "--json").output)
    assert [row["prompt"]["version"] for row in listed] == [promotion.prompt.version]
    undone = tune(desk, "--rollback")
    assert undone.exit_code == 0, undone.output
    assert f"{OWN} is in force again" in undone.output
    restored = open_committee(desk.settings, desk.database, desk.folder)
    try:
        views = restored.ask(moved, late.recall, given)
    finally:
        restored.close()
    assert next(v.prompt for v in views if v.agent == "aggressive") == OWN


@pytest.mark.slow
def test_a_placebo_changes_nothing_and_asks_nothing_twice(tmp_path: Path, model: str) -> None:
    desk = Desk(tmp_path, model, planted(300, 0.0, 3, SCOPE))
    first = tune(desk, "--json")
    assert first.exit_code == 0, first.output
    found = json.loads(first.stdout)
    assert found["promoted"] is False
    assert promotions(desk.database) == ()
    replaying = Desk(
        tmp_path, "http://127.0.0.1:9/v1", (), llm={"base_url": "http://127.0.0.1:9/v1", "mode": "replay"}
    )
    again = tune(replaying, "--json")
    assert again.exit_code == 0, again.output
    assert json.loads(again.stdout) == found


def test_too_few_decisions_and_unknown_agents_are_refused_in_words(tmp_path: Path, model: str) -> None:
    desk = Desk(tmp_path, model, planted(50, -0.5, 4, SCOPE))
    assert "noise decides" in str(tune(desk).exception)
    quant = desk.run("tune-prompts", "--role", "quant", "--scope", SCOPE)
    assert "aggressive, conservative, judge" in str(quant.exception)
    assert "--role aggressive" in str(desk.run("tune-prompts").exception)
    assert "no promotion of agent 'judge' stands" in str(
        desk.run("tune-prompts", "--role", "judge", "--rollback").exception
    )
    assert "the store holds those of: recorded" in str(
        desk.run("tune-prompts", "--role", "judge", "--scope", "other").exception
    )


def test_the_rules_are_perfectly_stable_and_a_repeat_costs_nothing(desk: Desk) -> None:
    asked = ("stability", "--scope", SCOPE, "--questions", "5", "--repeats", "3", "--json")
    done = desk.run(*asked)
    assert done.exit_code == 0, done.output
    report = json.loads(done.output)
    rows = {row["agent"]: row for row in report["agents"]}
    rules = {"trend", "breadth", "carry"}
    assert set(rows) == {"aggressive", "conservative", "quant", "memory", "judge", "fused decision"} | rules
    assert all(row["flip_rate"] == 0.0 and row["depth_spread"] < 1e-9 for row in rows.values())
    assert [a["seed"] for a in report["asked"]] == [7, 8, 9]
    assert rows["judge"]["answers"] == 15
    table = desk.run(*asked[:-1])
    assert "flips" in table.output


def test_several_models_are_several_variants(desk: Desk) -> None:
    done = desk.run(
        "stability", "--scope", SCOPE, "--questions", "2", "--repeats", "1",
        "--models", "heuristic,heuristic-fast", "--json",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert [a["model"] for a in json.loads(done.output)["asked"]] == ["heuristic", "heuristic-fast"]
