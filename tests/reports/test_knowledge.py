"""Results on both sides of the knowledge cutoff, worked out by hand."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pytest
from rich.console import Console

from agent_market.config import BudgetSettings, LLMSettings, load_settings
from agent_market.reports.backtest_result import load_run
from agent_market.reports.comparison import Comparison, compare
from agent_market.reports.console import print_knowledge
from agent_market.reports.content import ReportContent
from agent_market.reports.html import render
from agent_market.reports.knowledge import models_of, split_by_knowledge
from tests.helpers.backtest_results import START, make_candles, make_trade, write_result
from tests.helpers.sample_episodes import make_episode

OURS = ("AgentMarketStrategy", "AgentMarketEqualWeights", "AgentMarketQuantOnly")
DAYS = 80
CUTOFF = (START + timedelta(days=39)).date()  # its end is day 40 of the run


def budget(*rows: tuple[str, date | None]) -> BudgetSettings:
    free = {"input_per_million": 0, "output_per_million": 0}
    return BudgetSettings.model_validate(
        {"prices": [{"model": m, **free, "knowledge_cutoff": day and str(day)} for m, day in rows]}
    )


def llm(model: str, **changes: object) -> LLMSettings:
    return LLMSettings.model_validate({"model": model, **changes})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return load_run(
        write_result(tmp_path_factory.mktemp("run"), {name: [make_trade()] for name in OURS}, DAYS)
    )


@pytest.fixture(scope="module")
def candles() -> dict[str, pd.DataFrame]:
    # Rises by a half to day 40, then falls back.
    up = [100.0 + 50.0 * min(hour, DAYS * 24 - hour) / (DAYS * 12) for hour in range(DAYS * 24 + 1)]
    return {pair: make_candles(up) for pair in ("BTC/USDT", "ETH/USDT")}


@pytest.fixture(scope="module")
def comparison(run, candles) -> Comparison:
    return compare(run, candles, 0.0)


EPISODES = [make_episode(asof=START + timedelta(days=day, hours=1)) for day in (1, 39, 40, 41, 70)]


def test_the_run_is_split_at_the_end_of_the_cutoff_day(comparison: Comparison) -> None:
    split = split_by_knowledge(comparison, EPISODES, llm("small"), budget(("small", CUTOFF)))
    before, after = split.eras
    assert split.cutoff == CUTOFF
    assert (before.name, before.days, before.decisions) == (f"up to {CUTOFF}", 40, 2)
    assert (after.name, after.days, after.decisions) == (f"after {CUTOFF}", 40, 3)
    assert "40 of 80 days are after it" in split.statement


def test_each_part_has_its_own_result_and_together_they_are_the_whole(comparison: Comparison) -> None:
    before, after = split_by_knowledge(comparison, (), llm("small"), budget(("small", CUTOFF))).eras
    for contender, one, other in zip(comparison.contenders, before.results, after.results, strict=True):
        assert (one.label, one.part) == (other.label, other.part) == (contender.label, contender.part)
        whole = (1 + one.total_return) * (1 + other.total_return) - 1
        assert whole == pytest.approx(contender.performance.total_return)
        assert (one.lead is None) == (contender.part == "agents")
    held = {era.name: era.results[-1].total_return for era in (before, after)}
    assert held[before.name] == pytest.approx(0.5, rel=0.02), "buy-and-hold made its half before the cutoff"
    assert held[after.name] == pytest.approx(-1 / 3, rel=0.02)


def test_the_hit_rate_is_of_the_decisions_of_that_part(comparison: Comparison) -> None:
    right = make_episode(asof=START + timedelta(days=2), market_return=0.02)
    wrong = make_episode(asof=START + timedelta(days=60), market_return=-0.02)
    assert right.decision.depth == wrong.decision.depth > 0
    before, after = split_by_knowledge(
        comparison, (right, wrong), llm("small"), budget(("small", CUTOFF))
    ).eras
    assert (before.hit_rate, after.hit_rate) == (1.0, 0.0)


def test_the_last_cutoff_of_all_models_counts(comparison: Comparison) -> None:
    settings = llm(
        "small",
        deep={"model": "large", "base_url": "http://127.0.0.1:9/v1"},
        fallbacks=[{"model": "spare", "base_url": "http://127.0.0.1:9/v1"}],
    )
    assert models_of(settings) == ("small", "large", "spare")
    late = CUTOFF + timedelta(days=10)
    rows = (("small", CUTOFF), ("large", late), ("spare", CUTOFF))
    assert split_by_knowledge(comparison, (), settings, budget(*rows)).cutoff == late
    unknown = split_by_knowledge(comparison, (), settings, budget(*rows[:2], ("spare", None)))
    assert unknown.statement.startswith("Knowledge cutoff of spare: unknown.")
    assert unknown.eras == ()


def test_a_model_without_a_row_is_unknown_and_rules_have_read_nothing(comparison: Comparison) -> None:
    assert "unknown" in split_by_knowledge(comparison, (), llm("small"), budget()).statement
    rules = split_by_knowledge(comparison, (), llm("heuristic"), budget())
    assert "fixed set of rules" in rules.statement


@pytest.mark.parametrize(("days", "parts"), [(-10, ["after"]), (DAYS + 10, ["up"])])
def test_a_cutoff_outside_of_the_run_leaves_one_part(comparison: Comparison, days: int, parts: list) -> None:
    cutoff = (START + timedelta(days=days)).date()
    split = split_by_knowledge(comparison, (), llm("small"), budget(("small", cutoff)))
    assert [era.name.split()[0] for era in split.eras] == parts
    assert ("nothing here is evidence about the future" in split.statement) == (parts == ["up"])


def test_page_and_terminal_show_the_parts_or_say_that_nothing_is_known(
    run, candles, comparison: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent_market.reports.html.get_plotlyjs", lambda: "window.Plotly = {};")

    def shown(prices: list[dict[str, object]]) -> tuple[str, str]:
        settings = load_settings({"agent_market": {"llm": {"model": "small"}, "budget": {"prices": prices}}})
        moment = datetime(2026, 1, 1, tzinfo=UTC)
        content = ReportContent(run, comparison, tuple(EPISODES), candles, settings, moment)
        out = io.StringIO()
        print_knowledge(Console(file=out, width=118), content.knowledge)
        return render(content), out.getvalue()

    row = {"model": "small", "input_per_million": 1, "output_per_million": 1}
    page, terminal = shown([row | {"knowledge_cutoff": str(CUTOFF)}])
    for text in (page, terminal):
        assert f"up to {CUTOFF}" in text
        assert f"after {CUTOFF}" in text
        assert "Buy and hold" in text
    page, terminal = shown([row])
    for text in (page, terminal):
        assert "unknown" in text
        assert "up to" not in text
