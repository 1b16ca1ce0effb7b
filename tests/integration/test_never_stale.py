"""Plain `freqtrade backtesting`, with its result cache on: reused where nothing changed, and only there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest

from agent_market.agents.roles import ROLES
from agent_market.agents.tuning.versions import prompt_version, version_of
from agent_market.factors.mining.files import FeatureEntry, Features, write
from agent_market.factors.mining.records import factor_name
from agent_market.factors.parse import parse_factor
from agent_market.memory.bitemporal import Times
from agent_market.memory.note_store import AuditEntry, NoteStore
from agent_market.memory.notes import Note
from agent_market.sandbox.market import StandingMarket, SyntheticSource
from agent_market.store.database import Database, store_url
from agent_market.store.prompts import StoredPrompt, promote
from tests.helpers.workspace import Result, Workspace, make_workspace, sandbox

SPAN = "20240301-20240307"
PAIRS = "(BTC|ETH)/USDT"
CORR = "SOL/USDT"
CONFIG: dict[str, Any] = {
    "exchange": {"pair_whitelist": [PAIRS]},
    "freqai": {
        "train_period_days": 15,
        "backtest_period_days": 6,
        "feature_parameters": {"include_corr_pairlist": [CORR], "include_timeframes": ["1h", "4h"]},
        "model_training_parameters": {"n_estimators": 10, "n_jobs": 1},
    },
    "agent_market": {
        "decision": {"cadence_candles": 12},
        "perception": {
            "context": [{"name": "fear", "path": "fear.csv", "value_column": "value", "time_column": "date"}]
        },
    },
}
STRATEGY = """
import own_helpers
from agent_market.strategy.strategy import AgentMarketStrategyBase


class Own(AgentMarketStrategyBase):
    minimal_roi = {"0": 10.0}
    stoploss = -0.1
    lookback = 5

    def feature_engineering_expand_basic(self, dataframe, metadata, **kwargs):
        dataframe["%-own"] = own_helpers.smooth(dataframe["close"], self.lookback)
        return dataframe
"""
HELPERS = "def smooth(values, n):\n    return values / values.rolling(n).mean()\n"
DAY = datetime(2024, 3, 2, tzinfo=UTC)
REUSED = "Reusing result of previous backtest"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


class World:
    """One workspace in which the user's own strategy has run once."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.user_data = workspace.user_data

    def backtest(self, *arguments: str) -> Result:
        """`freqtrade backtesting` as one types it, with the result cache on."""
        chosen = ("--strategy", "Own", "--freqaimodel", "AgentEnsemble", "--timerange", SPAN)
        run = self.workspace.freqtrade("backtesting", *chosen, *arguments, timeout=1500)
        assert run.code == 0, run.output
        return run

    def change_candle(self, pair: str, timeframe: str = "1h") -> None:
        """Another close on 2024-03-04, in the traded span."""
        file = self.user_data / "data" / "binance" / f"{pair.replace('/', '_')}-{timeframe}.feather"
        frame = pd.read_feather(file)
        row = frame.index[frame["date"] == pd.Timestamp("2024-03-04", tz="UTC")][0]
        frame.loc[row, ["close", "high"]] *= 1.05
        frame.to_feather(file)

    def replace(self, file: str, old: str, new: str) -> None:
        path = self.user_data / file
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with sandbox(StandingMarket(SyntheticSource(seed=7))) as (endpoints, _):
        workspace = make_workspace(tmp_path_factory.mktemp("stale"), endpoints)
        workspace.config(CONFIG)
        (workspace.user_data / "strategies" / "Own.py").write_text(STRATEGY)
        (workspace.user_data / "strategies" / "own_helpers.py").write_text(HELPERS)
        (workspace.user_data / "fear.csv").write_text("date,value\n2024-02-28,20\n")
        pairs = ("--pairs", "BTC/USDT", "ETH/USDT", CORR, "--timeframes", "1h", "4h")
        downloaded = workspace.freqtrade("download-data", "--timerange", "20240125-20240315", *pairs)
        assert downloaded.code == 0, downloaded.output
        made = World(workspace)
        assert REUSED not in made.backtest().text
        yield made


def test_an_unchanged_second_run_reuses_the_result_and_the_predictions(world: World) -> None:
    assert REUSED in world.backtest().text
    again = world.backtest("--cache", "none").text
    assert "Found backtesting prediction file" in again
    assert "Could not find backtesting prediction file" not in again


def store_of(world: World) -> Database:
    return Database(store_url(world.workspace.manifest().store_url, world.user_data))


def teach(world: World) -> None:
    database = store_of(world)
    note = Note("Do not chase a candle that closed at its high.", "me", Times(DAY, DAY, DAY))
    NoteStore(database).teach(note, AuditEntry("me", DAY))
    database.close()


def promote_prompt(world: World) -> None:
    texts = {"belief": "Follow volume.", "decision": "Decide."}
    own = version_of(next(role for role in ROLES if role.name == "aggressive")) or ""
    database = store_of(world)
    prompt = StoredPrompt(prompt_version("aggressive", texts), "aggressive", texts, own)
    promote(database, prompt, own, DAY, {"model": "heuristic"})
    database.close()


def add_context(world: World) -> None:
    file = world.user_data / "fear.csv"
    file.write_text(file.read_text() + "2024-03-02,99\n")


def mine(world: World) -> None:
    known_at, tree = datetime(2024, 2, 1, tzinfo=UTC), parse_factor("ts_return(close, 5)")
    factor = FeatureEntry(
        name=factor_name(tree), expression=str(tree), hash=tree.digest, known_at=known_at, weight=0.5
    )
    write(
        Features(
            schema="agent-market/features/1",
            run="test",
            known_at=known_at,
            proven=True,
            deflated_p=0.01,
            timeframe_minutes=60,
            horizon=24,
            pairs=("BTC/USDT",),
            factors=(factor,),
        ),
        world.user_data,
    )


CHANGES: dict[str, tuple[Callable[[World], None], bool]] = {
    "a note is taught": (teach, True),
    "a prompt is promoted": (promote_prompt, True),
    "a factor is mined": (mine, True),
    "a context series grows within the span": (add_context, True),
    "a candle of a traded pair": (lambda world: world.change_candle("ETH/USDT"), True),
    "a candle of a correlated pair": (lambda world: world.change_candle(CORR), True),
    "a candle of a wider timeframe": (lambda world: world.change_candle("BTC/USDT", "4h"), True),
    "a helper module": (lambda w: w.replace("strategies/own_helpers.py", "mean()", "median()"), True),
    "an attribute that features read": (lambda w: w.replace("strategies/Own.py", "= 5", "= 6"), True),
    "what only trades": (lambda w: w.replace("strategies/Own.py", "-0.1", "-0.2"), False),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_never_answered_with_an_old_result(world: World, name: str) -> None:
    change, decides = CHANGES[name]
    change(world)
    run = world.backtest().text
    assert REUSED not in run
    assert ("Could not find backtesting prediction file" in run) == decides
    assert ("Found backtesting prediction file" in run) != decides
