"""The step `train` in a flow, with a stand-in for the pipeline; the real one is run by the killed flow."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from agent_market.errors import ConfigError, DataError
from agent_market.flow.plan import FlowPlan, make_plan
from agent_market.flow.steps.train import SHOWN_FILE
from agent_market.reports.feedback import FEEDBACK_FILE
from agent_market.training import pipeline
from agent_market.training.metrics import PredictionMetrics
from agent_market.training.report import TrainingReport
from agent_market.training.settings import TrainingSettings
from tests.helpers.flow_files import flow_of, plan_of, run, use_stand_in

TRAIN = {"model": "catboost", "days": 20, "params": {"depth": 4}}
WANTED = ("download", "train", "backtest")


class StandIn:
    """Leaves what the pipeline leaves, and remembers what it was asked for."""

    asked: list[TrainingSettings]
    fails: bool

    def __init__(self, settings: TrainingSettings, callbacks: Any = (), on_words: Any = None) -> None:
        self.settings, self.callbacks = settings, callbacks

    def run(self) -> TrainingReport:
        settings = self.settings
        type(self).asked.append(settings)
        json.loads(settings.config[0].read_text())
        for callback in self.callbacks:
            callback.stage("train", "at work")
            callback.trial(1, {"depth": 6}, 0.1)
        settings.folder.mkdir(parents=True, exist_ok=True)
        (settings.folder / "tuning.sqlite").write_text("half a search")
        if type(self).fails:
            raise DataError("no candles of BTC/USDT")
        report = TrainingReport(
            name=settings.name,
            model=settings.model,
            task="regression",
            label="scaled_12",
            params={"depth": 6},
            features=3,
            train_rows=90,
            offline=PredictionMetrics(rows=30, rank_ic=0.25 / settings.round),
            backtest=None,
            trials=2,
            known_at=settings.end,
            scope=settings.scope,
            round=settings.round,
            fingerprint="0" * 16,
        )
        (settings.folder / "report.json").write_text(report.to_json())
        (settings.folder / "model.bin").write_text("trees")
        return report


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> type[StandIn]:
    StandIn.asked, StandIn.fails = [], False
    monkeypatch.setattr(pipeline, "TrainingPipeline", StandIn)
    return StandIn


def planned(tmp_path: Any, **keys: Any) -> FlowPlan:
    return plan_of(tmp_path, **{"rounds": 2, "train": TRAIN, "freqaimodel": "CatboostRegressor", **keys})


def parameters(plan: FlowPlan, number: int) -> Any:
    config = json.loads((plan.folder / f"round-{number}" / "backtest" / "config.json").read_text())
    return config["freqai"].get("model_training_parameters")


def test_it_learns_from_the_days_before_each_round_and_tells_the_rounds_after(
    tmp_path, monkeypatch, stand_in
):
    plan = planned(tmp_path)
    use_stand_in(monkeypatch, plan)
    done, _ = run(plan, (*WANTED, "summary", "feedback"))
    assert [s.timerange for s in stand_in.asked] == ["20231212-20240101", "20231227-20240116"]
    assert [s.params for s in stand_in.asked] == [{"depth": 4}] * 2
    assert plan.candles_from <= datetime(2023, 12, 12, tzinfo=UTC)
    assert [row["trained_ic"] for row in done.rounds] == [0.25, 0.125]
    assert json.loads((plan.feedback_folder / SHOWN_FILE).read_text())["round"] == 2
    entries = [json.loads(line) for line in (plan.feedback_folder / FEEDBACK_FILE).read_text().splitlines()]
    assert [(entry["round"], entry["known_at"][:10]) for entry in entries] == [
        (1, "2024-01-01"),
        (1, "2024-01-16"),
        (2, "2024-01-16"),
        (2, "2024-01-31"),
    ]
    assert entries[0]["lines"][0].startswith("Model catboost on scaled_12, 30 later rows")
    shown = [(plan.settings.userdir / plan.shown_feedback(n)).read_text() for n in (1, 2)]
    assert shown[0] == ""
    assert [json.loads(line) for line in shown[1].splitlines()] == entries[:2]
    assert not list((plan.settings.userdir / "agent_market" / "training").iterdir())


def test_what_it_found_trains_the_backtest_of_the_same_model_only(tmp_path, monkeypatch, stand_in):
    plan = planned(tmp_path)
    use_stand_in(monkeypatch, plan)
    run(plan, WANTED)
    assert parameters(plan, 1) == {"seed": 7, "depth": 6}
    other = planned(tmp_path / "other", freqaimodel="AgentEnsemble")
    use_stand_in(monkeypatch, other)
    run(other, WANTED)
    assert parameters(other, 1) is None


def test_unchanged_it_is_skipped_and_publishes_the_same_again(tmp_path, monkeypatch, stand_in):
    plan = planned(tmp_path)
    use_stand_in(monkeypatch, plan)
    run(plan)
    before = (plan.feedback_folder / FEEDBACK_FILE).read_bytes()
    (plan.feedback_folder / SHOWN_FILE).unlink()
    done, printed = run(make_plan(plan.settings))
    assert done.made == ()
    assert len(stand_in.asked) == 2
    assert "rank correlation +0.250" in printed
    assert (plan.feedback_folder / FEEDBACK_FILE).read_bytes() == before
    assert (plan.feedback_folder / SHOWN_FILE).is_file()
    for file in plan.runs.glob("*/round-1/train/model.bin"):
        file.unlink()
    done, printed = run(make_plan(plan.settings))
    assert done.made == ("round-1/train",)
    assert "its model file is missing" in printed


def test_a_failed_training_tells_nothing_and_its_search_goes_on(tmp_path, monkeypatch, stand_in):
    plan = planned(tmp_path)
    use_stand_in(monkeypatch, plan)
    stand_in.fails = True
    with pytest.raises(DataError, match="no candles"):
        run(plan)
    assert not (plan.feedback_folder / FEEDBACK_FILE).exists()
    (left,) = (plan.settings.userdir / "agent_market" / "training").iterdir()
    assert (left / "tuning.sqlite").is_file()
    assert stand_in.asked[0].folder == left
    half = plan.settings.userdir / "models" / f"{left.name}-abc"
    half.mkdir(parents=True)
    stand_in.fails = False
    done, _ = run(flow_of(plan, resume=True))
    assert done.skipped == ("download",)
    assert not half.exists()
    assert not left.exists()


def test_a_wrong_model_or_parameter_ends_the_flow_before_it_begins(tmp_path):
    with pytest.raises(ConfigError, match=r"unknown model 'catbost'; did you mean 'catboost'"):
        planned(tmp_path / "a", train={"model": "catbost"})
    with pytest.raises(ConfigError, match=r"catboost\.dept.*did you mean `depth`"):
        planned(tmp_path / "b", train={"model": "catboost", "params": {"dept": 3}})
    with pytest.raises(ConfigError, match="has no classes"):
        planned(tmp_path / "c", train={"task": "classification"})
