from __future__ import annotations

import io
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from agent_market.cli import app
from agent_market.errors import DataError
from agent_market.reports.backtest_result import latest_result, load_run
from agent_market.reports.comparison import Comparison, compare
from agent_market.reports.console import print_comparison
from agent_market.runs.parts import model_name
from tests.helpers.backtest_results import START, make_candles, make_trade, write_result

OURS = ("AgentMarketStrategy", "AgentMarketEqualWeights", "AgentMarketQuantOnly")


def daily_trades(rates):
    """One day-long trade a day that buys at 100 and sells at each rate in turn."""
    return [
        make_trade(opened=START + timedelta(days=n), close_rate=rate, fee=0.0) for n, rate in enumerate(rates)
    ]


def flat_candles(days):
    return {pair: make_candles([100.0] * (days * 24 + 1)) for pair in ("BTC/USDT", "ETH/USDT")}


def compared(folder, strategies, days=90, candles=None) -> Comparison:
    run = load_run(write_result(folder, strategies, days))
    return compare(run, flat_candles(days) if candles is None else candles, 0.001)


def test_a_steady_lead_beats_every_baseline_and_says_so(tmp_path):
    rng = np.random.default_rng(1)
    gains = list(101 + rng.normal(0, 0.2, 90))
    result = compared(
        tmp_path, {OURS[0]: daily_trades(gains), OURS[1]: daily_trades([100] * 90), OURS[2]: []}
    )
    assert [c.part for c in result.contenders] == ["agents", "equal_weights", "quant_only", "buy_and_hold"]
    assert {d.finding for d in result.differences} == {"beats"}
    assert result.verdict[0] == (
        "The agents beat equal weights, LightGBM alone and buy and hold with 95% confidence."
    )
    assert result.missing == ()


@pytest.mark.parametrize(
    ("freqai_model", "label"),
    [
        ("AgentEnsemble", "LightGBM alone"),
        ("AgentLightGBMRegressor", "LightGBM alone"),
        ("CatboostRegressor", "CatBoost alone"),
        ("AgentTransformerClassifier", "Transformer alone"),
        ("XGBoostRegressor", "XGBoost alone"),
        ("MyOwnRegressor", "MyOwnRegressor alone"),
        (None, "The model alone"),
    ],
)
def test_the_model_alone_is_named_by_the_model_that_ran(tmp_path, freqai_model, label):
    run = load_run(write_result(tmp_path, {OURS[0]: [], OURS[2]: []}, 9))
    ran = replace(run, strategies=tuple(replace(s, freqai_model=freqai_model) for s in run.strategies))
    result = compare(ran, flat_candles(9), 0.001)
    assert result.of("quant_only").label == label
    assert result.difference_to("quant_only").baseline == label


def test_every_freqai_model_of_ours_has_a_name_for_people(repository):
    folder = repository / "user_data" / "freqaimodels"
    names = [file.stem for file in folder.glob("*.py")]
    assert len(names) > 10
    assert all(model_name(name) != name for name in names)


def test_no_lead_is_said_plainly(tmp_path):
    rng = np.random.default_rng(2)
    noise = [list(100 + rng.normal(0, 2, 90)) for _ in range(2)]
    result = compared(tmp_path, {OURS[0]: daily_trades(noise[0]), OURS[1]: daily_trades(noise[1])})
    assert result.difference_to("equal_weights").finding == "unclear"
    assert result.verdict[0].startswith("The agents did not beat equal weights or buy and hold")
    assert result.missing == ("The model alone was not run; add AgentMarketQuantOnly to --strategy-list.",)


def test_being_behind_is_called_behind(tmp_path):
    rng = np.random.default_rng(3)
    losses = list(99 + rng.normal(0, 0.1, 90))
    result = compared(tmp_path, {OURS[0]: daily_trades(losses), OURS[2]: []})
    assert result.difference_to("quant_only").finding == "loses"
    assert "behind" in " ".join(result.verdict)


def test_no_trades_anywhere_is_a_result_not_a_crash(tmp_path):
    result = compared(tmp_path, {name: [] for name in OURS})
    assert result.verdict[0] == "The agents made no trade."
    agents = result.of("agents")
    assert (agents.trades, agents.win_rate, agents.performance.sharpe) == (0, None, None)
    assert result.difference_to("equal_weights").finding == "same"


def test_missing_candles_leave_out_buy_and_hold_with_a_reason(tmp_path):
    result = compared(tmp_path, {OURS[0]: []}, candles={})
    assert result.of("buy_and_hold") is None
    assert result.verdict[-1] == "No baseline could be compared: nothing is shown about the agents."
    assert any("candles are missing" in line for line in result.missing)


def test_few_days_give_no_interval(tmp_path):
    result = compared(tmp_path, {name: daily_trades([101] * 9) for name in OURS}, days=10)
    assert {d.finding for d in result.differences} == {"unknown"}
    assert "too few for an interval" in result.verdict[1]


def test_a_users_own_strategy_stands_for_the_agents(tmp_path):
    result = compared(tmp_path, {OURS[1]: [], "MyAgents": [], "Another": []})
    assert result.of("agents").label == "MyAgents"
    assert result.of("other").label == "Another"
    only_baselines = compared(tmp_path, {OURS[1]: []})
    assert only_baselines.of("agents") is None
    assert "No agents" in only_baselines.verdict[0]


def test_trades_wins_costs_and_exposure_by_hand(tmp_path):
    trades = [
        make_trade(close_rate=110),
        make_trade(opened=START + timedelta(days=1), close_rate=90),
        make_trade(opened=START + timedelta(days=2), close_rate=100),
    ]
    agents = compared(tmp_path, {OURS[0]: trades}, days=30).of("agents")
    assert agents.trades == 3
    assert agents.win_rate == pytest.approx(1 / 3)
    assert agents.costs == pytest.approx(0.001 * (300 + 300))
    assert agents.performance.total_return == pytest.approx((0 - 0.6) / 1000)
    assert 0 < agents.exposure < 0.02


def test_the_console_shows_a_line_for_each_and_never_interprets_names_as_markup(tmp_path):
    result = compared(tmp_path, {OURS[0]: [], "Evil[red]Name": []})
    console = Console(width=140, record=True, file=io.StringIO())
    print_comparison(console, result, ("the model is a set of rules",))
    text = console.export_text()
    assert "Evil[red]Name" in text
    assert "the model is a set of rules" in text
    assert "Buy and hold" in text


@pytest.mark.parametrize("width", [80, 100, 118, 124, 132])
def test_the_console_leaves_columns_out_before_it_cuts_a_figure(tmp_path, width):
    gains = {name: daily_trades([101.0 + n] * 90) for n, name in enumerate(OURS)}
    result = compared(tmp_path, gains)
    result = replace(result, contenders=tuple(replace(c, costs=115_718.0) for c in result.contenders))
    console = Console(width=width, record=True, file=io.StringIO())
    print_comparison(console, result, ())
    table = console.export_text().partition("└")[0]
    assert "…" not in table
    assert all(heading in table for heading in ("Profit", "Sharpe", "Max DD", "Agents ahead, bp/day"))
    assert ("115,718.0" in table) == (width >= 118)


def test_without_candles_it_is_said_that_drawdowns_look_better_than_they_are(tmp_path):
    result = compared(tmp_path, {OURS[0]: daily_trades([90.0, 101.0])}, candles={})
    assert any("Sharpe and drawdown hide their losses" in line for line in result.missing)


def test_a_folder_of_candles_that_is_not_there_is_refused(tmp_path):
    wrong = tmp_path / "nowhere"
    done = CliRunner().invoke(app, ["report", "--userdir", str(tmp_path), "--datadir", str(wrong)])
    assert f"no directory --datadir {wrong}" in str(done.exception)


def test_a_result_that_is_none_is_a_clear_error(tmp_path):
    with pytest.raises(DataError, match="no backtest result at"):
        load_run(tmp_path / "absent.zip")
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"not a zip")
    with pytest.raises(DataError, match=r"broken\.zip is not a backtest result"):
        load_run(broken)
    with pytest.raises(DataError, match="Run `freqtrade backtesting"):
        latest_result(tmp_path / "nowhere")


def test_the_newest_result_is_the_one_freqtrade_names(tmp_path):
    path = write_result(tmp_path, {OURS[0]: []})
    assert latest_result(tmp_path) == path
    run = load_run(path)
    assert run.config["exchange"]["name"] == "binance"
    assert run.first.identifier == "agent_market-0123456789ab"
