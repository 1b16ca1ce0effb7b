"""The whole search: what it finds, counts, refuses, feeds back, and that it can be killed and repeated."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from agent_market.agents.prompts.feedback import FeedbackEntry
from agent_market.config import AgentMarketSettings
from agent_market.errors import AnswerInvalid, BudgetExhausted, ConfigError, DataError, ModelUnavailable
from agent_market.factors.mining.api import MiningResult, mine, publish
from agent_market.factors.mining.files import expressions_file, features_file, read_expressions, read_features
from agent_market.factors.mining.records import Span
from agent_market.factors.panel import CandlePanel
from agent_market.factors.parse import parse_factor
from agent_market.store.database import Database, store_url
from agent_market.store.trials import trials_of
from tests.helpers.mining_worlds import PLANTED, ScriptedModel, market, settings, spans

STUDY = "factors/60m/h4"


def search(
    user_data: Path,
    panel: CandlePanel,
    model: ScriptedModel | None = None,
    wanted: AgentMarketSettings | None = None,
    over: tuple[Span, Span] | None = None,
    progress: object = None,
) -> MiningResult:
    """One search with a ledger in `user_data`."""
    user_data.mkdir(exist_ok=True)
    database = Database(store_url("sqlite:///{user_data}/trials.sqlite", user_data))
    span, later = over or spans(panel)
    try:
        return mine(wanted or settings(), panel, span, later, model, database, user_data, progress)  # type: ignore[arg-type]
    finally:
        database.close()


def ledger(user_data: Path) -> set[str]:
    database = Database(store_url("sqlite:///{user_data}/trials.sqlite", user_data))
    try:
        return {trial.candidate for trial in trials_of(database, STUDY)}
    finally:
        database.close()


def test_a_planted_signal_is_found_proven_and_published(tmp_path: Path) -> None:
    result = search(tmp_path, market(0.006), ScriptedModel([PLANTED, "ts_return(close, 24)"]))
    assert result.promoted
    assert result.verdict is not None
    assert result.verdict.deflated_p <= 0.05
    assert result.joint_out > 0.1
    strongest = result.pool[0]
    assert "volume" in strongest.expression
    assert strongest.known_at == result.promote_span.end == result.known_at
    published = publish(tmp_path, settings().mining)
    assert published.proven
    assert published.factors == tuple(f.name for f in result.pool)
    features = read_features(tmp_path)
    assert features is not None
    assert features.known_at == result.known_at
    assert all(f.hash == parse_factor(f.expression).digest for f in features.factors)


def test_noise_is_not_promoted_and_no_feature_comes_of_it(tmp_path: Path) -> None:
    result = search(tmp_path, market(0.0), wanted=settings(candidates=40))
    assert not result.promoted
    published = publish(tmp_path, settings().mining)
    assert published.factors == ()
    assert not published.proven
    assert "not promoted" in published.lines[0]
    marked = publish(tmp_path, settings(unproven=True).mining)
    assert len(marked.factors) == result.pool_size > 0
    assert not marked.proven
    assert "unproven" in marked.lines[0]


def test_a_pool_that_is_not_promoted_leaves_what_is_in_force(tmp_path: Path) -> None:
    search(tmp_path, market(0.006), ScriptedModel([PLANTED]))
    before = publish(tmp_path, settings().mining)
    in_force = features_file(tmp_path).read_bytes()
    search(tmp_path, market(0.0, seed=9))
    after = publish(tmp_path, settings().mining)
    assert after.factors == before.factors != ()
    assert "not promoted" in after.lines[0]
    assert features_file(tmp_path).read_bytes() == in_force


def test_every_candidate_is_a_trial_and_more_trials_make_promotion_harder(tmp_path: Path) -> None:
    few = search(tmp_path / "few", market(), wanted=settings(candidates=8))
    many = search(tmp_path / "many", market(), wanted=settings(candidates=32))
    for folder, result in (("few", few), ("many", many)):
        rows = ledger(tmp_path / folder)
        assert result.trials == len(rows)
        assert {f.trial.candidate for f in result.pool} <= rows
        duplicates = sum("tried already" in f.problem for f in result.failures)
        unread = sum("at character" in f.problem or "candles back" in f.problem for f in result.failures)
        assert result.trials == result.tried - duplicates - unread + 1, "each scored candidate, and the pool"
    assert few.effective < many.effective <= many.trials


def test_the_same_search_over_again_counts_nothing_twice(tmp_path: Path) -> None:
    first = search(tmp_path, market())
    again = search(tmp_path, market())
    assert again.trials == first.trials
    assert "is not used: it was chosen on data up to" in again.warnings[0]


def test_equal_inputs_give_equal_files_and_another_seed_another_search(tmp_path: Path) -> None:
    files = []
    for name in ("a", "b"):
        search(tmp_path / name, market(), ScriptedModel(["zscore(volume, 9)"], ["close + volume"]))
        publish(tmp_path / name, settings().mining)
        files.append(
            (expressions_file(tmp_path / name).read_bytes(), features_file(tmp_path / name).read_bytes())
        )
    assert files[0] == files[1]
    other = search(tmp_path / "c", market(), wanted=settings(seed=8))
    record = read_expressions(tmp_path / "a")
    assert record is not None
    assert other.run != record.run


class Killed(Exception):
    """Stands for kill -9 between two batches."""


@pytest.mark.parametrize("after", [1, 3, 5])
def test_a_killed_search_goes_on_without_asking_again_and_ends_with_the_same_bytes(
    tmp_path: Path, after: int
) -> None:
    answers = [["zscore(volume, 9)", "nonsense("], ["ts_return(close, 7)"], ["ts_skew(close, 30)"]]
    whole = ScriptedModel(*answers)
    search(tmp_path / "whole", market(), whole)

    def kill(line: str) -> None:
        if line.startswith(f"batch {after}:"):
            raise Killed

    broken = ScriptedModel(*answers)
    with pytest.raises(Killed):
        search(tmp_path / "broken", market(), broken, progress=kill)
    assert not expressions_file(tmp_path / "broken").exists()
    said: list[str] = []
    rest = ScriptedModel(*answers[len(broken.prompts) :] or [["close / open"]])
    search(tmp_path / "broken", market(), rest, progress=said.append)
    assert said[0].startswith("going on with the search")
    assert broken.prompts + rest.prompts == whole.prompts
    assert (
        expressions_file(tmp_path / "broken").read_bytes()
        == expressions_file(tmp_path / "whole").read_bytes()
    )
    assert not list((tmp_path / "broken" / "agent_market" / "mining").iterdir())


def test_what_comes_after_the_proof_changes_nothing(tmp_path: Path) -> None:
    panel = market()
    over = spans(panel, 0.5, 0.8)
    wild = {name: values.copy() for name, values in panel.columns.items()}
    cut = int(len(panel.times) * 0.8)
    for values in wild.values():
        values[:, cut:] *= 5.0
    other = CandlePanel(panel.times, panel.pairs, wild, 60)
    one = search(tmp_path / "a", panel, over=over)
    two = search(tmp_path / "b", other, over=over)
    assert expressions_file(tmp_path / "a").read_bytes() == expressions_file(tmp_path / "b").read_bytes()
    assert one.run == two.run


def test_the_later_span_chooses_nothing_of_the_pool(tmp_path: Path) -> None:
    panel = market()
    over = spans(panel)
    wild = {name: values.copy() for name, values in panel.columns.items()}
    cut = int(panel.times.searchsorted(over[0].end)) + 1
    for values in wild.values():
        values[:, cut:] = values[:, cut:][:, ::-1]
    one = search(tmp_path / "a", panel, over=over)
    two = search(tmp_path / "b", CandlePanel(panel.times, panel.pairs, wild, 60), over=over)
    assert [(f.expression, f.weight, f.scores) for f in one.pool] == [
        (f.expression, f.weight, f.scores) for f in two.pool
    ]
    assert one.joint_out != two.joint_out


def test_the_second_prompt_holds_the_first_batches_scores_and_failures(tmp_path: Path) -> None:
    model = ScriptedModel([PLANTED, "close + volume"], ["zscore(volume, 9)"])
    search(tmp_path, market(0.006), model, settings(proposers=["llm"], candidates=3, batch=2))
    assert model.block(0)["pool"] == model.block(0)["failures"] == []
    second = model.block(1)
    (held,) = second["pool"]  # type: ignore[misc]
    assert held["expression"] == str(parse_factor(PLANTED))
    assert held["rank_ic"] > 0.2
    (failed,) = second["failures"]  # type: ignore[misc]
    assert failed["expression"] == "close + volume"
    assert "a volume where a price is needed at character 9" in failed["problem"]


def test_the_second_rounds_prompt_holds_the_first_rounds_scores_failures_and_lessons(tmp_path: Path) -> None:
    panel = market(0.006)
    first = spans(panel, 0.4, 0.7)
    search(tmp_path, panel, ScriptedModel([PLANTED, "close + volume"]), over=first)
    record = read_expressions(tmp_path)
    assert record is not None
    model = ScriptedModel(["ts_return(close, 7)"])
    second = (Span(first[0].start, first[1].end), Span(first[1].end, panel.times[-1].to_pydatetime()))
    result = search(tmp_path, panel, model, over=second)
    block = model.block(0)
    shown = {row["expression"]: row for row in block["earlier"]}  # type: ignore[attr-defined]
    assert set(shown) == {f.expression for f in record.factors}
    for factor in record.factors:
        assert shown[factor.expression]["rank_ic"] == pytest.approx(factor.scores.rank_ic, abs=1e-4)
        assert shown[factor.expression]["later_rank_ic"] == pytest.approx(factor.later.rank_ic, abs=1e-4)
    assert "close + volume" in json.dumps(block["failures"])
    assert [line.replace("`", "'") for line in record.lessons] == block["lessons"]
    assert any("joint IC was" in line for line in record.lessons)
    assert not result.warnings
    assert result.trials > record.trials, "trials of both rounds count"


def test_prompts_name_no_pair_date_or_rationale(tmp_path: Path) -> None:
    model = ScriptedModel([PLANTED, "close + volume"], ["zscore(volume, 9)"])
    search(tmp_path, market(), model, settings(proposers=["llm"], candidates=6, batch=2))
    for text in model.prompts + model.systems:
        assert "USDT" not in text
        assert "2024" not in text
        assert "because" not in text
    assert "ts_rank(x, window): share of the window's values" in model.systems[0]


def test_what_the_flow_fed_back_is_shown_once_it_was_known(tmp_path: Path) -> None:
    panel = market()
    over = spans(panel)
    entries = [
        FeedbackEntry(known_at=over[0].start, round=1, lines=("Losses came in chop.",)),
        FeedbackEntry(known_at=over[1].end, round=2, lines=("Known too late.",)),
    ]
    folder = tmp_path / "llm_feedback"
    folder.mkdir()
    (folder / "feedback.jsonl").write_text("".join(f"{e.model_dump_json()}\n" for e in entries))
    wanted = settings(proposers=["llm"], candidates=2, batch=2)
    agents = wanted.agents.model_copy(update={"feedback_file": Path("llm_feedback/feedback.jsonl")})
    model = ScriptedModel(["close / open"])
    search(tmp_path, panel, model, wanted.model_copy(update={"agents": agents}), over)
    assert model.block(0)["lessons"] == ["Losses came in chop."]


@pytest.mark.parametrize("text", ["", "  \n", "{", "[]", '{"schema": "other"}', "\x00\xff"])
def test_a_broken_feedback_file_is_reported_and_survived(tmp_path: Path, text: str) -> None:
    for file in (expressions_file(tmp_path), features_file(tmp_path)):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"freqai_expressions\.json"):
        read_expressions(tmp_path)
    said: list[str] = []
    result = search(tmp_path, market(), wanted=settings(candidates=8), progress=said.append)
    assert len(result.warnings) == 2
    assert all("goes on without it" in warning and "delete it" in warning for warning in result.warnings)
    assert said[:2] == list(result.warnings)
    published = publish(tmp_path, settings().mining)
    assert published.lines[0].startswith("replaced: ")
    assert read_features(tmp_path) is not None


def test_a_model_that_answers_nonsense_or_nothing_costs_its_batches_only(tmp_path: Path) -> None:
    for number, error in enumerate((AnswerInvalid("no JSON"), ModelUnavailable("down"))):
        result = search(tmp_path / str(number), market(), ScriptedModel(error))
        (arm,) = [arm for arm in result.arms if arm.name == "llm"]
        assert arm.accepted == arm.proposals == 0
        assert arm.asked <= 2
        assert any(f.proposer == "llm" and f.problem == str(error) for f in result.failures)
        assert result.tried == 32


def test_a_model_without_budget_is_asked_once(tmp_path: Path) -> None:
    model = ScriptedModel(BudgetExhausted("the day's cap"))
    result = search(tmp_path, market(), model)
    (arm,) = [arm for arm in result.arms if arm.name == "llm"]
    assert len(model.prompts) == 1
    assert arm.retired == "the day's cap"


def test_spans_in_the_wrong_order_and_no_proposer_are_refused(tmp_path: Path) -> None:
    panel = market()
    span, later = spans(panel)
    with pytest.raises(ConfigError, match="give a later one"):
        search(tmp_path, panel, over=(later, span))
    with pytest.raises(ConfigError, match="add `library` or"):
        search(tmp_path, panel, wanted=settings(proposers=["llm"]))
    two = CandlePanel(
        panel.times, panel.pairs[:2], {n: values[:2] for n, values in panel.columns.items()}, 60
    )
    with pytest.raises(DataError, match="add pairs"):
        search(tmp_path, two)


def test_the_record_holds_what_a_reader_needs_to_repeat_it(tmp_path: Path) -> None:
    result = search(tmp_path, market(0.006), ScriptedModel([PLANTED]))
    record = read_expressions(tmp_path)
    assert record is not None
    by_model = [f for f in record.factors if f.proposer == "llm"]
    assert all(f.model == "scripted" for f in by_model)
    assert all(f.model is None for f in record.factors if f.proposer != "llm")
    assert sum(abs(f.weight) for f in record.factors) == pytest.approx(1.0)
    assert record.span.end <= record.promote_span.start
    for factor in record.factors:
        assert factor.name == f"factor_{factor.hash[:12]}"
        assert 0.0 < factor.novelty <= 1.0
        assert factor.scores.closest_in_pool <= settings().mining.most_correlation
        assert np.sign(factor.scores.rank_ic or 0.0) == factor.scores.direction
        assert set(factor.scores.by_year) == {"2024"}
    assert record.model_dump()["seed"] == 7
    assert result.file == expressions_file(tmp_path)
    assert not list(result.file.parent.glob(".*")), "no temporary file is left"
