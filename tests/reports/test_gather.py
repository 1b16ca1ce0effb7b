from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from typer.testing import CliRunner

from agent_market.cli import app
from agent_market.reports.load import gather
from agent_market.store.database import Database
from agent_market.store.episodes import write_episodes
from tests.helpers.backtest_results import START, make_candles, write_result
from tests.helpers.sample_episodes import make_episode

DAYS = 40
END = START + timedelta(days=DAYS)
SCOPE = "agent_market-0123456789ab"  # the identifier of the sample results
NAMES = ("AgentMarketStrategy", "AgentMarketEqualWeights", "AgentMarketQuantOnly")


@pytest.fixture
def user_data(tmp_path):
    """A user_data directory with a result, its candles, and decisions before, in and after its span."""
    results, candles = tmp_path / "backtest_results", tmp_path / "data" / "binance"
    results.mkdir()
    candles.mkdir(parents=True)
    write_result(results, {name: [] for name in NAMES}, DAYS)
    for name in ("BTC_USDT", "ETH_USDT"):
        make_candles([100.0] * (DAYS * 24 + 48)).to_feather(candles / f"{name}-1h.feather")
    moments = [START, START + timedelta(hours=1), END - timedelta(hours=6), END, END + timedelta(hours=1)]
    database = Database(f"sqlite:///{tmp_path / 'agent_market.sqlite'}")
    episodes = [replace(make_episode(asof), scope=SCOPE) for asof in moments]
    write_episodes(database, [*episodes, replace(make_episode(START + timedelta(days=2)), scope="another")])
    database.close()
    return tmp_path


def test_a_report_holds_the_decisions_that_its_span_could_trade(user_data):
    content = gather(next((user_data / "backtest_results").glob("*.zip")), user_data)
    assert [e.view.asof for e in content.episodes] == [
        START + timedelta(hours=1),
        END - timedelta(hours=6),
        END,
    ]
    assert content.comparison.of("buy_and_hold") is not None


def test_what_became_known_after_the_run_is_not_in_its_report(user_data):
    content = gather(next((user_data / "backtest_results").glob("*.zip")), user_data)
    assert [e.outcome is not None for e in content.episodes] == [True, False, False]


def test_the_command_reports_the_newest_result(user_data):
    done = CliRunner().invoke(app, ["report", "--userdir", str(user_data)])
    assert done.exit_code == 0, done.output
    assert "AGENTS AND BASELINES" in done.output
    assert "The agents made no trade." in done.output
    html = (user_data / "agent_market" / "report.html").read_text(encoding="utf-8")
    assert html.startswith("<!doctype html>")


def test_the_command_says_what_to_do_when_there_is_no_result(tmp_path):
    done = CliRunner().invoke(app, ["report", "--userdir", str(tmp_path)])
    assert done.exit_code != 0
    assert "Run `freqtrade backtesting --export trades` first" in str(done.exception)
