"""From scenarios to table, JSON, page and exit code."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from agent_market.cli import app
from agent_market.errors import ConfigError
from agent_market.stress import suite
from agent_market.stress.page import render_page
from agent_market.stress.scenario import Row, Scenario, examine
from agent_market.stress.suite import SCENARIOS, as_json, choose, run_suite
from agent_market.stress.table import stress_table, verdict
from agent_market.utils.console import Console


def test_a_finding_has_a_row_a_claim_with_what_was_measured(bad: Scenario[Any], tmp_path: Path) -> None:
    finding = examine(bad, tmp_path)
    assert finding.rows == (Row("within 5 s", "6 s", False), Row("at all", "so [it] is", True))
    assert not finding.held
    assert finding.evidence == {"seconds": 6.0}


def test_a_scenario_that_does_not_run_has_shown_nothing(broken: Scenario[Any], tmp_path: Path) -> None:
    finding = examine(broken, tmp_path)
    assert [row.held for row in finding.rows] == [False, False]
    assert finding.rows[0].measured == "not measured: RuntimeError: planted"


def test_every_scenario_runs_in_an_empty_folder_and_is_told(
    good: Scenario[Any], bad: Scenario[Any], tmp_path: Path
) -> None:
    told: list[str] = []
    report = run_suite((good, bad), tmp_path / "stress.log", lambda scenario: told.append(scenario.name))
    assert told == ["good", "bad"]
    assert [finding.held for finding in report.findings] == [True, False]
    assert not report.held


def test_logs_and_stderr_go_to_the_file_and_are_as_they_were_afterwards(
    broken: Scenario[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    handlers, stderr = logging.getLogger().handlers[:], sys.stderr
    run_suite((broken,), tmp_path / "stress.log")
    assert "RuntimeError: planted" in (tmp_path / "stress.log").read_text()
    assert capsys.readouterr().err == ""
    assert logging.getLogger().handlers == handlers
    assert sys.stderr is stderr


def test_the_table_says_what_held_and_what_did_not(
    good: Scenario[Any], bad: Scenario[Any], tmp_path: Path
) -> None:
    report = run_suite((good, bad), tmp_path / "stress.log")
    console = Console(width=120, record=True, file=(tmp_path / "out").open("w"))
    console.print(stress_table(report))
    console.print(verdict(report))
    text = console.export_text()
    lines = [line for line in text.splitlines() if "within 5 s" in line]
    assert ["yes" in line for line in lines] == [True, False]
    assert "NO" in lines[1]
    assert "so [it] is" in text, "not taken for markup"
    assert "3 of 4 claims held, 2 scenarios" in text


def test_json_holds_every_measurement(good: Scenario[Any], broken: Scenario[Any], tmp_path: Path) -> None:
    whole = orjson.loads(as_json(run_suite((good, broken), tmp_path / "stress.log")))
    assert whole["held"] is False
    first, second = whole["scenarios"]
    assert first["evidence"] == {"seconds": 1.0}
    assert first["rows"][0] == {"must": "within 5 s", "measured": "1 s", "held": True, "timed": False}
    assert (second["name"], second["held"], second["evidence"]) == ("broken", False, {})


def test_the_page_loads_and_runs_nothing_and_escapes_what_it_shows(
    good: Scenario[Any], bad: Scenario[Any], tmp_path: Path
) -> None:
    page = render_page(run_suite((good, bad), tmp_path / "stress.log"))
    assert "3 of 4 claims held" in page
    assert "&lt;b&gt;good" in page
    assert "<b>good" not in page
    assert "default-src &#39;none&#39;" in page
    assert "<script" not in page
    assert "src=" not in page
    assert "http" not in page.replace("http-equiv", "")


def test_scenarios_are_chosen_by_name_and_a_wrong_one_is_named() -> None:
    assert [s.name for s in choose(["kill-9", "flash-crash"])] == ["flash-crash", "kill-9"]
    assert choose([]) == SCENARIOS
    with pytest.raises(ConfigError, match=r"unknown scenario 'flood'; use one of flash-crash, "):
        choose(["flood"])


def test_every_trouble_that_the_suite_is_for_is_in_it() -> None:
    names = ["flash-crash", "false-news", "source-cut", "api-500", "volatility", "model-down", "kill-9"]
    assert [s.name for s in SCENARIOS] == [*names, "clock-jump"]
    assert all(len(s.claims) >= 3 for s in SCENARIOS)


@pytest.mark.parametrize(("which", "code"), [("good", 0), ("bad", 1), ("broken", 1)])
def test_the_command_writes_everything_and_its_exit_code_says_whether_all_held(
    which: str, code: int, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(suite, "SCENARIOS", (request.getfixturevalue(which),))
    done = CliRunner().invoke(app, ["stress", "--only", which, "--output", str(tmp_path / "out")])
    assert done.exit_code == code, done.output
    assert "STRESS SUITE" in done.output
    written = sorted(file.name for file in (tmp_path / "out").iterdir())
    assert written == ["stress.html", "stress.json", "stress.log"]


def test_the_list_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["stress", "--list"])
    assert done.exit_code == 0
    assert [line.split()[0] for line in done.output.splitlines()] == [s.name for s in SCENARIOS]
    assert not list(tmp_path.iterdir())
