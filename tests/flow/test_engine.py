from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from agent_market.errors import FlowError
from agent_market.flow.archive import read_run
from agent_market.flow.market import MARKER, claim_datadir
from agent_market.flow.plan import make_plan
from agent_market.flow.record import read_record
from agent_market.flow.steps.download import missing_candles
from agent_market.reports.feedback import FEEDBACK_FILE, SUMMARY_FILE
from tests.helpers.flow_files import PAIRS, commands, flow_of, plan_of, products, run, use_stand_in

EVERY = ["download"] + [
    f"round-{n}/{name}" for n in (1, 2) for name in ("backtest", "summary", "feedback", "report")
]


def test_two_rounds_walk_forward_and_the_second_sees_the_first(tmp_path, monkeypatch):
    plan = plan_of(tmp_path, rounds=2)
    calls = use_stand_in(monkeypatch, plan)
    done, _ = run(plan)
    assert list(done.made) == EVERY
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
    assert json.loads(shown[1]) == entries[0]

    config = json.loads((plan.folder / "round-2" / "backtest" / "config.json").read_text())
    assert config["agent_market"] == {
        "agents": {"feedback_file": f"llm_feedback/{plan.scope}/round-2.jsonl"},
        "memory": {"scope": plan.scope},
    }
    assert config["freqai"] == {"identifier": f"{plan.scope}-r2-backtest"}
    for number in (1, 2):
        round_ = plan.folder / f"round-{number}"
        assert (round_ / "report" / "report.html").is_file()
        assert {p.name for p in (round_ / "backtest").iterdir()} == {
            *("backtest.log", "backtest.out", "config.json", "outcome.json", "result", "step.json")
        }
        tables = (round_ / "summary" / "tables.txt").read_text()
        assert "STRATEGY SUMMARY" in tables
        assert "AGENTS AND BASELINES" in tables
    assert [row["trades"] for row in done.rounds] == [0, 0]
    assert not list(plan.folder.rglob("*.working"))


def test_a_second_run_makes_nothing_and_says_of_which_run_everything_is(tmp_path, monkeypatch):
    plan = plan_of(tmp_path, rounds=2)
    calls = use_stand_in(monkeypatch, plan)
    first, _ = run(plan)
    before = (plan.feedback_folder / FEEDBACK_FILE).read_bytes()
    later = make_plan(plan.settings)
    second, printed = run(later)
    assert (second.made, list(second.skipped)) == ((), EVERY)
    assert second.digest == first.digest
    assert products(later.folder) == products(plan.folder)
    assert commands(calls) == ["download-data", "backtesting", "backtesting"]
    assert printed.count(f"skipped, unchanged since {plan.run_id}") == len(EVERY)
    assert (plan.feedback_folder / FEEDBACK_FILE).read_bytes() == before
    assert missing_candles(plan) == []


def test_only_what_depends_on_a_change_is_made_again(tmp_path, monkeypatch):
    plan = plan_of(tmp_path, rounds=2)
    use_stand_in(monkeypatch, plan)
    run(plan)
    by_hand = '{"known_at": "2024-01-20T00:00:00Z", "round": 0, "lines": ["by hand"]}\n'
    with (plan.feedback_folder / FEEDBACK_FILE).open("a") as feedback:
        feedback.write(by_hand)
    done, printed = run(make_plan(plan.settings))
    assert "changed: feedback" in (done.folder / "flow.log").read_text()
    assert list(done.made) == ["round-1/backtest", "round-2/backtest"]
    # The new backtests came to the same, so what is made of them stands.
    assert "round-2/report" in done.skipped
    assert "skipped, unchanged since" in printed


def test_a_changed_strategy_is_backtested_again_on_candles_that_are_there(tmp_path, monkeypatch):
    plan = plan_of(tmp_path)
    calls = use_stand_in(monkeypatch, plan)
    run(plan)
    (plan.settings.userdir / "strategies" / "Mine.py").write_text("threshold = 2\n")
    done, _ = run(make_plan(plan.settings))
    assert done.made == ("round-1/backtest",)
    assert "changed: strategies and models" in (done.folder / "flow.log").read_text()
    assert commands(calls) == ["download-data", "backtesting", "backtesting"]


def test_damaged_products_are_made_again(tmp_path, monkeypatch):
    plan = plan_of(tmp_path)
    use_stand_in(monkeypatch, plan)
    first, _ = run(plan)
    (plan.folder / "round-1" / "summary" / "summary.json").write_text("{}")
    (next(plan.datadir.glob("*.feather"))).unlink()
    done, _ = run(make_plan(plan.settings))
    log = (done.folder / "flow.log").read_text()
    assert "again: summary.json is changed since" in log
    assert "again: the candles on disk differ from those of that run" in log
    assert done.made == ("download", "round-1/summary")
    assert done.digest == first.digest


def test_force_makes_again_what_did_not_change(tmp_path, monkeypatch):
    plan = plan_of(tmp_path)
    calls = use_stand_in(monkeypatch, plan)
    run(plan)
    done, _ = run(make_plan(plan.settings), ("backtest",), force=True)
    assert (done.made, done.skipped) == (
        ("round-1/backtest",),
        ("download", "round-1/summary", "round-1/feedback", "round-1/report"),
    )
    assert commands(calls).count("backtesting") == 2


def test_a_failing_download_stops_the_flow_with_freqtrades_words(tmp_path, monkeypatch):
    plan = plan_of(tmp_path)
    calls = use_stand_in(monkeypatch, plan, {"download-data": "fail"})
    with pytest.raises(FlowError, match=r"(?s)download: .*exit code 2.*on holiday.*download\.log"):
        run(plan)
    assert commands(calls) == ["download-data"]
    info = read_run(plan.folder)
    assert info is not None
    assert info.status == "failed"
    assert "on holiday" in (info.error or "")
    assert read_record(plan.folder / "download") is None


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


def test_a_failing_backtest_leaves_feedback_as_it_was_and_is_resumed(tmp_path, monkeypatch):
    plan = plan_of(tmp_path)
    calls = use_stand_in(monkeypatch, plan, {"backtesting": "fail"})
    with pytest.raises(FlowError, match="the exchange is on holiday"):
        run(plan)
    assert not (plan.settings.userdir / "llm_feedback" / FEEDBACK_FILE).exists()
    use_stand_in(monkeypatch, plan)
    done, printed = run(flow_of(plan, resume=True))
    assert done.folder == plan.folder
    assert done.skipped == ("download",)
    assert "skipped, done already in this run" in printed
    assert commands(calls) == ["download-data", "backtesting", "backtesting"]


def test_what_a_killed_backtest_left_under_its_identifier_is_removed(tmp_path, monkeypatch):
    plan = plan_of(tmp_path)
    use_stand_in(monkeypatch, plan)
    models = plan.settings.userdir / "models"
    half, other = models / f"{plan.identifier(1, 'backtest')}-abc", models / "other-r1-backtest"
    for folder in (half, other):
        folder.mkdir(parents=True)
        (folder / "half.feather").write_text("half")
    run(plan)
    assert not half.exists()
    assert other.exists()


def test_a_policy_is_trained_with_its_own_parameters_only(tmp_path, monkeypatch):
    own = {"freqai": {"model_training_parameters": {"n_envs": 8}, "rl_config": {"model_type": "PPO"}}}
    of_the_flow = {"freqai": {"model_training_parameters": {"n_estimators": 9}}}
    plan = plan_of(tmp_path, rl={"freqtrade": own}, freqtrade=of_the_flow)
    calls = use_stand_in(monkeypatch, plan)
    done, _ = run(plan, ("download", "rl"))
    assert done.made == ("download", "round-1/rl")
    arguments = json.loads(calls.read_text().splitlines()[-1])
    assert arguments.count("--config") == 1
    assert arguments[arguments.index("--strategy-list") + 1] == "AgentMarketReinforcement"
    config = json.loads(Path(arguments[arguments.index("--config") + 1].replace(".working", "")).read_text())
    assert config["freqai"]["model_training_parameters"] == {"n_envs": 8}
    assert config["freqai"]["train_period_days"] == 5
    assert config["exchange"]["pair_whitelist"] == list(PAIRS)
    assert set(done.rounds[0]) == {"round", "policy"}


def test_steps_that_are_left_out_are_taken_from_the_archive(tmp_path, monkeypatch):
    plan = plan_of(tmp_path)
    calls = use_stand_in(monkeypatch, plan)
    with pytest.raises(FlowError, match=r"round-1/report needs `download`.*run the step `download`"):
        run(plan, ("report",))
    run(plan, ("download",))
    with pytest.raises(FlowError, match=r"report needs `round-1/backtest`.*run the step `backtest`"):
        run(make_plan(plan.settings), ("report",))
    run(make_plan(plan.settings))
    later = make_plan(plan.settings)
    done, _ = run(later, ("report",))
    assert done.made == ()
    assert (later.folder / "round-1" / "report" / "report.html").is_file()
    assert len(commands(calls)) == 2


def test_a_malformed_line_of_feedback_is_shown_while_the_flow_goes_on(tmp_path, monkeypatch):
    plan = plan_of(tmp_path)
    use_stand_in(monkeypatch, plan)
    folder = plan.settings.userdir / "llm_feedback"
    folder.mkdir()
    (folder / FEEDBACK_FILE).write_text("not json\n")
    _, printed = run(plan)
    assert "feedback.jsonl:1 is not a feedback entry" in printed
    assert "moved to feedback.malformed.jsonl" in printed
    assert len((folder / FEEDBACK_FILE).read_text().splitlines()) == 1


def test_an_empty_feedback_file_is_told(tmp_path, monkeypatch):
    plan = plan_of(tmp_path)
    use_stand_in(monkeypatch, plan)
    folder = plan.settings.userdir / "llm_feedback"
    folder.mkdir()
    (folder / FEEDBACK_FILE).touch()
    _, printed = run(plan)
    assert "feedback.jsonl is empty: prompts carry no feedback" in printed
    (folder / FEEDBACK_FILE).unlink()
    (folder / FEEDBACK_FILE).mkdir()
    with pytest.raises(FlowError, match=r"feedback\.jsonl cannot be read .*repair or delete it"):
        run(make_plan(plan.settings))


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
