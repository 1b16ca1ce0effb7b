"""Plain `freqtrade backtesting` with the committee, on a synthetic market: recorded once, then replayed."""

from __future__ import annotations

import json
import socket
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agent_market.cli import app
from agent_market.records import Episode
from agent_market.sandbox.market import StandingMarket, SyntheticSource
from agent_market.store.database import Database, store_url
from agent_market.store.risk_notes import risk_notes_of
from tests.helpers.workspace import REPOSITORY, Workspace, make_workspace, sandbox

PAIRS = ["BTC/USDT", "ETH/USDT"]
SPAN = "20240301-20240410"
SHORTER = "20240301-20240325"
CONFIG: dict[str, Any] = {
    "exchange": {"pair_whitelist": PAIRS},
    "freqai": {
        "train_period_days": 30,
        "backtest_period_days": 15,
        "model_training_parameters": {"n_estimators": 50, "n_jobs": 1},
    },
}
REPLAY = {**CONFIG, "agent_market": {"llm": {"mode": "replay"}}}


ALL_IN = {"risk": {"entry": {"symbol_notional": 0.05}}, "sizing": {"mode": "threshold"}}
EAGER = """
from agent_market.strategy.strategy import AgentMarketStrategyBase
from freqtrade.strategy import DecimalParameter


class Eager(AgentMarketStrategyBase):
    minimal_roi = {"0": 10.0}
    stoploss = -0.1
    entry_threshold = DecimalParameter(0.1, 8.0, default=0.1, decimals=1, space="fusion")
    exit_threshold = DecimalParameter(-10.0, 8.0, default=-9.9, decimals=1, space="fusion")
"""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A workspace in which one backtest has run against a live model server."""

    workspace: Workspace
    episodes: tuple[Episode, ...]
    output: str
    model_url: str

    def calls(self) -> int:
        """How often the model has been asked, by the server's own count."""
        with urllib.request.urlopen(f"{self.model_url}/admin/usage") as answer:
            return int(json.load(answer)["requests"])


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    with sandbox(StandingMarket(SyntheticSource(seed=7))) as (endpoints, model_url):
        workspace = make_workspace(tmp_path_factory.mktemp("recorded"), endpoints)
        workspace.config(CONFIG)
        downloaded = workspace.download("20240101-20240415")
        assert downloaded.code == 0, downloaded.output
        run = workspace.backtest(SPAN, "--export", "none")
        assert run.code == 0, run.output
        yield Recorded(workspace, workspace.episodes(), run.output, model_url)


@pytest.fixture
def silent_model() -> Iterator[tuple[str, list[Any]]]:
    """A port that takes connections and notes them: whoever asks a model here is caught."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        caught: list[Any] = []

        def watch() -> None:
            try:
                while True:
                    caught.append(listener.accept()[1])
            except OSError:
                return

        threading.Thread(target=watch, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1", caught
        listener.close()


def told(episodes: tuple[Episode, ...]) -> list[Any]:
    """Everything in the episodes but the name of the run."""
    return [(e.view, e.recall, e.views, e.decision, e.verdict, e.outcome) for e in episodes]


def test_every_pair_is_decided_on_and_every_agent_speaks(recorded: Recorded) -> None:
    assert {e.view.pair for e in recorded.episodes} == set(PAIRS)
    for agent in ("aggressive", "conservative", "quant", "memory", "judge"):
        assert any(v.agent == agent and not v.abstains for e in recorded.episodes for v in e.views), agent
    assert "AgentMarketStrategy" in recorded.output
    assert recorded.calls() > 0


def test_agents_see_turbulence_across_pairs_and_no_price_of_their_own(recorded: Recorded) -> None:
    features = recorded.episodes[-1].view.features
    assert 0.0 <= features["turbulence_percentile"] <= 1.0
    assert not {"open", "high", "low", "close", "volume"} & set(features)


def test_a_second_run_asks_no_model_and_decides_the_same(recorded: Recorded) -> None:
    calls = recorded.calls()
    recorded.workspace.config(CONFIG)
    recorded.workspace.forget_models()
    again = recorded.workspace.backtest(SPAN, "--export", "none")
    assert again.code == 0, again.output
    assert recorded.calls() == calls
    assert recorded.workspace.episodes() == recorded.episodes


@pytest.mark.slow
def test_what_limits_did_to_an_order_stands_beside_its_decision(recorded: Recorded) -> None:
    user_data = recorded.workspace.user_data
    (user_data / "strategies" / "Eager.py").write_text(EAGER)
    recorded.workspace.config({**REPLAY, "agent_market": {**REPLAY["agent_market"], **ALL_IN}})
    run = recorded.workspace.backtest(SPAN, "--export", "none", "--strategy", "Eager")
    (user_data / "strategies" / "Eager.py").unlink()
    assert run.code == 0, run.output
    journal = user_data / "agent_market" / "backtest" / "Eager" / "risk.jsonl"
    lines = [line for line in map(json.loads, journal.read_text().splitlines()) if line["decision"]]
    assert lines
    manifest = recorded.workspace.manifest()
    database = Database(store_url(manifest.store_url, user_data))
    for decision in {line["decision"] for line in lines}:
        notes = risk_notes_of(database, manifest.scope, decision)
        noted = [line for line in lines if line["decision"] == decision]
        kept = [(n.kind, n.data.get("clamps")) for n in notes]
        assert kept == [(line["kind"], line.get("clamps")) for line in noted]
        assert [n.known_at.isoformat() for n in notes] == [line["candle"] for line in noted]
    database.close()
    asked = ["why", lines[0]["decision"], "--userdir", str(user_data)]
    told = CliRunner().invoke(app, asked).output
    clamp = lines[0]["clamps"][0]
    assert told.startswith(f"Decision {lines[0]['decision']}\n")
    assert "\nFate: traded\n" in told
    assert f"in backtest/Eager: {clamp['limit']} {clamp['before']:.6g} to" in told


def test_replay_opens_no_socket_to_a_model_and_decides_the_same(
    recorded: Recorded, silent_model: tuple[str, list[Any]]
) -> None:
    url, caught = silent_model
    workspace = recorded.workspace
    workspace.config({**CONFIG, "agent_market": {"llm": {"mode": "replay", "base_url": url}}})
    workspace.forget_models()
    replayed = workspace.backtest(SPAN, "--export", "none")
    assert replayed.code == 0, replayed.output
    assert caught == []
    assert told(workspace.episodes()) == told(recorded.episodes)


def test_replay_of_what_was_never_asked_fails_closed(recorded: Recorded) -> None:
    workspace = recorded.workspace
    changed = {"llm": {"mode": "replay", "temperature": 0.5}}
    workspace.config({**CONFIG, "agent_market": changed})
    failed = workspace.backtest(SHORTER, "--export", "none")
    assert failed.code == 2
    assert "answers were never recorded" in failed.text


def test_a_shorter_time_range_gives_the_same_decisions_up_to_its_end(recorded: Recorded) -> None:
    workspace = recorded.workspace
    workspace.config({**REPLAY, "agent_market": {**REPLAY["agent_market"], "memory": {"scope": "shorter"}}})
    workspace.forget_models()
    shorter = workspace.backtest(SHORTER, "--export", "none")
    assert shorter.code == 0, shorter.output
    end = datetime(2024, 3, 25, tzinfo=UTC)
    before = [e for e in recorded.episodes if e.view.asof <= end]
    decided = [(e.view, e.recall, e.views, e.decision, e.verdict) for e in workspace.episodes("shorter")]
    assert decided == [(e.view, e.recall, e.views, e.decision, e.verdict) for e in before]


def test_a_failed_training_fails_the_run_and_says_why(recorded: Recorded) -> None:
    workspace = recorded.workspace
    broken = {"freqai": {**CONFIG["freqai"], "model_training_parameters": {"objective": "no-such-objective"}}}
    workspace.config({**CONFIG, **broken})
    failed = workspace.backtest(SHORTER, "--export", "none")
    assert failed.code == 2
    assert "training BTC/USDT failed" in failed.text
    assert "no-such-objective" in failed.output


def test_a_wrong_key_in_the_config_is_named_with_the_key_that_was_meant(recorded: Recorded) -> None:
    workspace = recorded.workspace
    workspace.config({**CONFIG, "agent_market": {"decision": {"cadence_candels": 3}}})
    failed = workspace.backtest(SHORTER, "--export", "none")
    assert failed.code == 2
    assert "agent_market.decision.cadence_candels" in failed.output
    assert "cadence_candles" in failed.output


def test_a_pair_that_the_exchange_does_not_have_is_an_error(recorded: Recorded) -> None:
    workspace = recorded.workspace
    workspace.config({**CONFIG, "exchange": {"pair_whitelist": ["NOPE/USDT"]}})
    failed = workspace.backtest(SHORTER, "--export", "none")
    assert failed.code == 2
    assert "NOPE/USDT" in failed.output


def test_an_empty_data_folder_is_an_error(recorded: Recorded, tmp_path: Path) -> None:
    recorded.workspace.config(CONFIG)
    failed = recorded.workspace.backtest(SHORTER, "--export", "none", "--datadir", str(tmp_path))
    assert failed.code == 2
    assert "No data found" in failed.output


def test_our_strategies_and_models_are_listed(recorded: Recorded) -> None:
    recorded.workspace.config(CONFIG)
    strategies = recorded.workspace.freqtrade("list-strategies", "-1")
    for file in (REPOSITORY / "user_data" / "strategies").glob("*.py"):
        assert file.stem in strategies.output
    models = recorded.workspace.freqtrade("list-freqaimodels", "-1")
    for file in (REPOSITORY / "user_data" / "freqaimodels").glob("*.py"):
        assert file.stem in models.output


@pytest.mark.slow
def test_hyperopt_finds_our_spaces_and_trains_only_once(recorded: Recorded) -> None:
    workspace = recorded.workspace
    workspace.config(CONFIG)
    found = workspace.freqtrade(
        *("hyperopt", "--strategy", "AgentMarketStrategy", "--freqaimodel", "AgentEnsemble"),
        *("--timerange", SPAN, "--spaces", "agents", "fusion", "--epochs", "6", "-j", "2"),
        *("--hyperopt-loss", "SharpeHyperOptLossDaily", "--disable-param-export", "--random-state", "1"),
        *("--min-trades", "1", "--print-all"),
    )
    assert found.code == 0, found.output
    assert "multiplier_quant" in found.output
    assert "temperature" in found.output
    assert "6/6" in found.output.replace(" ", "")
