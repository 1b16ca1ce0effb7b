from __future__ import annotations

import io
import json
from pathlib import Path

import pandas as pd
import pytest
from flow_files import PAIRS, commands, plan_of, use_stand_in
from rich.console import Console

from agent_market.errors import FlowError
from agent_market.flow.engine import run_flow
from agent_market.flow.feedback import FEEDBACK_FILE, SUMMARY_FILE
from agent_market.flow.market import MARKER, claim_datadir
from agent_market.flow.plan import make_plan
from agent_market.flow.steps import STEPS, missing_candles


def run(plan, wanted=STEPS):
    console = Console(file=io.StringIO(), width=160, color_system=None)
    return run_flow(plan, wanted, console), console.file.getvalue()


def test_two_rounds_walk_forward_and_the_second_sees_the_first(tmp_path, monkeypatch):
    plan = plan_of(tmp_path, rounds=2)
    calls = use_stand_in(monkeypatch, plan)
    done, printed = run(plan)
    assert commands(calls) == ["download-data", "backtesting", "backtesting"]
    spans = [json.loads(line) for line in calls.read_text().splitlines()][1:]
    assert [c[c.index("--timerange") + 1] for c in spans] == ["20240101-20240116", "20240116-20240131"]

    folder = plan.settings.userdir / "llm_feedback"
    entries = [json.loads(line) for line in (folder / FEEDBACK_FILE).read_text().splitlines()]
    assert [(e["round"], e["known_at"]) for e in entries] == [
        (1, "2024-01-16T01:00:00Z"),
        (2, "2024-01-31T01:00:00Z"),
    ]
    assert json.loads((folder / SUMMARY_FILE).read_text())["round"] == 2
    shown = [(plan.settings.userdir / plan.shown_feedback(n)).read_text() for n in (1, 2)]
    assert shown[0] == ""
    assert json.loads(shown[1])["lines"] == list(done[0].feedback)

    config = json.loads((plan.rounds[1].folder / "config.json").read_text())
    assert config["agent_market"] == {
        "agents": {"feedback_file": f"llm_feedback/{plan.scope}/round-2.jsonl"},
        "memory": {"scope": plan.scope},
    }
    for round_ in plan.rounds:
        present = {p.name for p in round_.folder.iterdir()}
        assert present >= {"backtest.log", "backtest.out", "config.json", "report.html", "summary.json"}
    assert "STRATEGY SUMMARY" in printed
    assert "AGENTS AND BASELINES" in printed
    assert done[1].report is not None
    assert done[1].report.is_file()


def test_what_is_there_already_is_not_downloaded_again(tmp_path, monkeypatch):
    plan = plan_of(tmp_path)
    calls = use_stand_in(monkeypatch, plan)
    run(plan)
    assert missing_candles(plan) == []
    second = make_plan(plan.settings)
    _, printed = run(second)
    assert commands(calls) == ["download-data", "backtesting", "backtesting"]
    assert "are there already" in printed
    feedback = plan.settings.userdir / "llm_feedback" / FEEDBACK_FILE
    assert len(feedback.read_text().splitlines()) == 1


def test_a_failing_download_stops_the_flow_with_freqtrades_words(tmp_path, monkeypatch):
    plan = plan_of(tmp_path)
    calls = use_stand_in(monkeypatch, plan, {"download-data": "fail"})
    with pytest.raises(FlowError, match=r"(?s)download: .*exit code 2.*on holiday.*download\.log"):
        run(plan)
    assert commands(calls) == ["download-data"]


def test_a_download_that_ends_well_without_candles_is_a_failure(tmp_path, monkeypatch):
    plan = plan_of(tmp_path)
    use_stand_in(monkeypatch, plan, {"download-data": "idle"})
    with pytest.raises(FlowError, match=r"(?s)without an error, but no candles of BTC/USDT 1h.*at work"):
        run(plan)


def test_a_backtest_that_ends_well_without_a_result_is_a_failure(tmp_path, monkeypatch):
    plan = plan_of(tmp_path)
    use_stand_in(monkeypatch, plan, {"backtesting": "idle"})
    with pytest.raises(FlowError, match=r"(?s)without an error and without a result.*at work.*backtest\.log"):
        run(plan)


def test_a_failing_backtest_leaves_feedback_as_it_was(tmp_path, monkeypatch):
    plan = plan_of(tmp_path)
    use_stand_in(monkeypatch, plan, {"backtesting": "fail"})
    with pytest.raises(FlowError, match="the exchange is on holiday"):
        run(plan)
    assert not (plan.settings.userdir / "llm_feedback" / FEEDBACK_FILE).exists()


def test_steps_that_are_left_out_take_the_archived_result(tmp_path, monkeypatch):
    plan = plan_of(tmp_path)
    calls = use_stand_in(monkeypatch, plan)
    with pytest.raises(FlowError, match=r"has no result in .*run the step `backtest`"):
        run(plan, ("report",))
    run(plan)
    later = make_plan(plan.settings)
    done, _ = run(later, ("report",))
    assert done[0].result == next((plan.rounds[0].results).glob("*.zip"))
    assert done[0].report == later.rounds[0].folder / "report.html"
    assert len(commands(calls)) == 2


def test_a_malformed_line_of_feedback_is_shown_while_the_flow_goes_on(tmp_path, monkeypatch):
    plan = plan_of(tmp_path)
    use_stand_in(monkeypatch, plan)
    folder = plan.settings.userdir / "llm_feedback"
    folder.mkdir()
    (folder / FEEDBACK_FILE).write_text("not json\n")
    _, printed = run(plan)
    assert "feedback.jsonl:1 is no feedback entry" in printed


def test_candles_of_two_markets_never_mix(tmp_path):
    datadir = tmp_path / "binance"
    claim_datadir(datadir, "market: synthetic, seed 7")
    claim_datadir(datadir, "market: synthetic, seed 7")
    assert (datadir / MARKER).is_file()
    with pytest.raises(FlowError, match="holds candles of another market"):
        claim_datadir(datadir, "market: synthetic, seed 8")
    real = tmp_path / "real"
    real.mkdir()
    pd.DataFrame({"a": [1]}).to_feather(real / "BTC_USDT-1h.feather")
    with pytest.raises(FlowError, match="they may be real"):
        claim_datadir(real, "market: synthetic, seed 7")


def test_a_series_that_begins_too_late_or_ends_too_early_is_listed(tmp_path):
    plan = plan_of(tmp_path)
    plan.datadir.mkdir(parents=True)
    dates = pd.date_range("2024-01-05", "2024-01-20", freq="h", tz="UTC").as_unit("ms")
    frame = pd.DataFrame({"date": dates, **dict.fromkeys(("open", "high", "low", "close", "volume"), 1.0)})
    frame.to_feather(Path(plan.datadir) / f"{PAIRS[0].replace('/', '_')}-1h.feather")
    assert missing_candles(plan) == [
        "BTC/USDT 1h begins at 2024-01-05 00:00",
        "BTC/USDT 1h ends at 2024-01-20 00:00",
        "no candles of ETH/USDT 1h from 2023-12-30 to 2024-01-31",
    ]
