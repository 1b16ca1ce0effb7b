from __future__ import annotations

import subprocess

import pytest
from typer.testing import CliRunner

from agent_market.cli import app
from agent_market.errors import FlowError
from agent_market.flow import command
from agent_market.flow.archive import all_runs, git_state, read_run, run_folder
from agent_market.flow.history import differences
from agent_market.flow.plan import RUNS, make_plan
from agent_market.flow.settings import load_flow_settings
from tests.helpers.flow_files import flow_of, plan_of, run, use_stand_in, write_flow


def invoke(*arguments):
    result = CliRunner().invoke(app, ["flow", *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


@pytest.fixture
def two_runs(tmp_path, monkeypatch):
    plan = plan_of(tmp_path, rounds=2)
    use_stand_in(monkeypatch, plan)
    first, _ = run(plan)
    changed = plan_of(tmp_path, rounds=2, freqtrade={"max_open_trades": 1})
    second, _ = run(changed)
    return first.folder, second.folder


def test_list_show_and_diff_tell_what_was_run(two_runs):
    old, new = two_runs
    userdir = old.parents[2]
    listed = invoke("list", "--userdir", userdir)
    assert old.name in listed
    assert new.name in listed
    assert listed.count("finished") == 2
    shown = invoke("show", new.name[-4:], "--userdir", userdir)
    assert "freqtrade 2026." in shown
    assert "round-2/backtest" in shown
    assert "ROUND BY ROUND" in shown
    found = {what: (a, b) for what, a, b in differences(old, new)}
    assert found["settings.freqtrade.max_open_trades"] == ("", "1")
    assert found["round-1/backtest from"] == ("", "other flow")
    assert "download from" not in found
    assert "max_open_trades" in invoke("diff", old.name, "last", "--userdir", userdir)
    assert "do not differ" in invoke("diff", old.name, old.name, "--userdir", userdir)


def test_rerun_takes_the_archived_settings_and_makes_nothing_again(two_runs, monkeypatch):
    old, _ = two_runs
    userdir = old.parents[2]
    for file in (userdir.parent / "flow.yaml",):
        file.write_text("nothing: left")
    printed = invoke("rerun", old.name, "--userdir", userdir)
    assert "0 steps made, 9 skipped" in printed
    newest = all_runs(userdir / RUNS)[-1]
    assert newest.digest == read_run(old).digest
    assert newest.id != old.name


def test_a_run_is_found_by_a_part_of_its_id_that_no_other_has(two_runs):
    old, new = two_runs
    runs = old.parent
    assert run_folder(runs, "last") == new
    assert run_folder(runs, old.name[-4:]) == old
    with pytest.raises(FlowError, match=f"'2' matches {old.name}, {new.name}"):
        run_folder(runs, "2")
    with pytest.raises(FlowError, match="'abc' is not a run in"):
        run_folder(runs, "abc")


def test_a_run_archives_config_versions_log_and_git_state(tmp_path, monkeypatch, repository):
    plan = plan_of(tmp_path)
    use_stand_in(monkeypatch, plan)
    run(plan)
    again = load_flow_settings(plan.folder / "flow.yaml")
    assert again == plan.settings
    info = read_run(plan.folder)
    assert {"python", "agent-market", "freqtrade", "pydantic"} <= set(info.versions)
    assert "round-1/backtest: first time" in (plan.folder / "flow.log").read_text()
    commit = subprocess.run(["git", "-C", repository, "rev-parse", "HEAD"], capture_output=True, text=True)
    if commit.returncode == 0:
        assert info.git["commit"] == commit.stdout.strip()
    assert git_state(tmp_path) == (None, "")


def test_dry_says_what_would_be_done_and_writes_nothing(tmp_path, monkeypatch):
    file = write_flow(tmp_path, rounds=2)
    printed = invoke("run", "--config", file, "--dry")
    assert printed.count(" made ") == 9
    assert "first time" in printed
    assert "follows download" in printed
    assert "`rl` is not set" in printed
    assert not (tmp_path / "user_data").exists()
    plan = make_plan(load_flow_settings(file))
    use_stand_in(monkeypatch, plan)
    run(plan)
    before = sorted(tmp_path.rglob("*"))
    printed = invoke("run", "--config", file, "--dry", "--force", "--steps", "backtest")
    assert printed.count("asked to run again") == 1
    assert "follows backtest of round 1" in printed
    assert invoke("run", "--config", file, "--dry").count("unchanged since") == 9
    assert sorted(tmp_path.rglob("*")) == before


def test_resume_needs_a_run_of_exactly_this_flow(tmp_path, monkeypatch):
    plan = plan_of(tmp_path)
    use_stand_in(monkeypatch, plan)
    with pytest.raises(FlowError, match="no run of flow 'test'"):
        flow_of(plan, resume=True)
    run(plan)
    assert flow_of(plan, resume=True).run_id == plan.run_id
    changed = plan_of(tmp_path, history_days=3)
    with pytest.raises(FlowError, match=f"run {plan.run_id} was started with other settings"):
        flow_of(changed, resume=True)


def test_the_command_runs_a_flow_and_prints_rounds_and_report(tmp_path, monkeypatch):
    plan = plan_of(tmp_path, rounds=2)
    use_stand_in(monkeypatch, plan)
    printed = invoke("run", "--config", tmp_path / "flow.yaml", "--set", "rounds=2")
    assert printed.count("STRATEGY SUMMARY") == printed.count("AGENTS AND BASELINES") == 2
    assert printed.index("AGENTS AND BASELINES") < printed.index("ROUND BY ROUND") < printed.index("Report: ")
    assert command.make_plan(plan.settings).scope in printed
