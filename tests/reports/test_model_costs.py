"""Model costs are a column of the comparison, and come off the profit of whoever trades on the answers."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from rich.console import Console

from agent_market.config import BudgetSettings, load_settings
from agent_market.records import Episode, Usage
from agent_market.reports.backtest_result import load_run
from agent_market.reports.comparison import Comparison, compare
from agent_market.reports.console import print_comparison
from agent_market.reports.content import ReportContent
from agent_market.reports.html import facts
from agent_market.reports.model_costs import NO_MODELS, ModelCosts, model_costs
from tests.helpers.backtest_results import START, make_candles, make_trade, write_result
from tests.helpers.sample_episodes import make_episode

OURS = ("AgentMarketStrategy", "AgentMarketEqualWeights", "AgentMarketQuantOnly")
DAYS = 10


def billed(day: int, cost: float | None) -> Episode:
    episode = make_episode(asof=START + timedelta(days=day), market_return=None)
    return replace(episode, usage=Usage(3, 900, 100, cost))


def compared(folder, models: ModelCosts) -> Comparison:
    trades = {name: [make_trade(close_rate=110.0, fee=0.0)] for name in OURS}
    run = load_run(write_result(folder, trades, DAYS))
    candles = {pair: make_candles([100.0] * (DAYS * 24 + 1)) for pair in ("BTC/USDT", "ETH/USDT")}
    return compare(run, candles, 0.001, models)


def test_bills_are_summed_in_stake_currency_in_order_of_time() -> None:
    costs = model_costs([billed(3, 0.5), billed(1, 0.25)], BudgetSettings(stake_per_unit=4.0))
    assert costs.amounts.tolist() == [1.0, 2.0]
    assert costs.total == 3.0
    assert (costs.calls, costs.tokens) == (6, 2000)
    assert costs.times[0] < costs.times[1]
    assert model_costs([], BudgetSettings()).total == NO_MODELS.total == 0.0


def test_what_the_answers_cost_comes_off_the_profit_of_those_who_trade_on_them(tmp_path) -> None:
    free = compared(tmp_path / "free", NO_MODELS)
    paid = compared(tmp_path / "paid", model_costs([billed(2, 30.0), billed(5, 12.0)], BudgetSettings()))
    for part, cost in (("agents", 42.0), ("equal_weights", 42.0), ("quant_only", 0.0), ("buy_and_hold", 0.0)):
        before, after = free.of(part), paid.of(part)
        assert after.model_costs == cost
        assert before.curve.equity.iloc[-1] - after.curve.equity.iloc[-1] == pytest.approx(cost)
        lost = before.performance.total_return - after.performance.total_return
        assert lost == pytest.approx(cost / free.starting_balance)


def test_a_bill_is_paid_when_the_decision_is_made_and_deepens_the_drawdown(tmp_path) -> None:
    free = compared(tmp_path / "free", NO_MODELS).of("agents").curve.equity
    curve = compared(tmp_path / "paid", model_costs([billed(8, 500.0)], BudgetSettings())).of("agents").curve
    gone = (free - curve.equity).to_numpy()
    since = free.index >= START + timedelta(days=8)
    assert np.allclose(gone, np.where(since, 500.0, 0.0))
    assert curve.drawdown.max() == pytest.approx(500.0 / free.max())


def test_a_missing_price_takes_nothing_off_and_says_so(tmp_path) -> None:
    costs = model_costs([billed(2, 30.0), billed(3, None)], BudgetSettings())
    assert costs.total is None
    result = compared(tmp_path, costs)
    agents = result.of("agents")
    assert agents.model_costs is None
    assert agents.curve.equity.iloc[-1] == result.of("quant_only").curve.equity.iloc[-1]
    assert any("no price" in line and "budget.prices" in line for line in result.missing)


def test_the_console_has_a_column_for_models(tmp_path) -> None:
    console = Console(width=160, record=True, file=io.StringIO())
    print_comparison(console, compared(tmp_path, model_costs([billed(2, 30.0)], BudgetSettings())), ())
    text = console.export_text()
    assert "Models" in text
    assert "30.0" in text


def test_the_page_says_what_was_recorded_and_how_many_views_were_carried_on(tmp_path) -> None:
    models = model_costs([billed(2, 1.5)], BudgetSettings())
    episode = billed(2, 1.5)
    first, *rest = episode.views
    older = replace(episode, views=(replace(first, carried_reason="the day's cap"), *rest))
    comparison = compared(tmp_path, models)
    run = load_run(write_result(tmp_path / "again", {OURS[0]: []}, DAYS))
    content = ReportContent(run, comparison, (older,), {}, load_settings({}), datetime.now(UTC))
    (line,) = [value for name, value in facts(content) if name == "Model costs"]
    assert line == (
        "1.50 USD as recorded, 3 calls, 1,000 tokens; 1 of 5 views carried on from earlier decisions"
    )
