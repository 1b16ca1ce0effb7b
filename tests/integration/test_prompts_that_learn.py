"""Prompts that learn, all the way: freqtrade records, one is promoted, freqtrade uses it, and goes back."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from agent_market.agents.roles import ROLES
from agent_market.agents.tuning.versions import version_of
from agent_market.records import Episode
from agent_market.sandbox.market import StandingMarket, SyntheticSource
from agent_market.store.database import Database, store_url
from agent_market.store.prompts import promotions
from tests.helpers.workspace import Workspace, make_workspace, sandbox

RECORDED = "20240301-20240410"
LATER = "20240405-20240425"
ROLE = "conservative"
OWN = version_of(next(role for role in ROLES if role.name == ROLE))
CONFIG: dict[str, Any] = {
    "exchange": {"pair_whitelist": ["BTC/USDT", "ETH/USDT"]},
    "freqai": {
        "train_period_days": 30,
        "backtest_period_days": 15,
        "model_training_parameters": {"n_estimators": 50, "n_jobs": 1},
    },
    "agent_market": {
        "decision": {"cadence_candles": 6},
        # A level that lets luck pass: this shows the way. What may pass has tests of its own.
        "tuning": {
            "validation": 0.3,
            "least_training": 50,
            "least_validation": 50,
            "proposals": 2,
            "minibatch": 80,
            "level": 0.5,
        },
    },
}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with sandbox(StandingMarket(SyntheticSource(seed=7))) as (endpoints, _):
        made = make_workspace(tmp_path_factory.mktemp("tuned"), endpoints)
        made.config(CONFIG)
        downloaded = made.download("20240101-20240501")
        assert downloaded.code == 0, downloaded.output
        yield made


def tune(workspace: Workspace, *arguments: str) -> subprocess.CompletedProcess[str]:
    places = ["--userdir", str(workspace.user_data), "-c", str(workspace.user_data / "config.json")]
    command = [sys.executable, "-c", "from agent_market.cli import main; main()", "tune-prompts", *places]
    return subprocess.run(
        [*command, "--role", ROLE, *arguments], capture_output=True, text=True, timeout=600, check=False
    )


def prompts_in(episodes: tuple[Episode, ...], agent: str = ROLE) -> dict[datetime, str | None]:
    """The prompt's version at each moment of decision."""
    return {e.view.asof: v.prompt for e in episodes for v in e.views if v.agent == agent}


def backtest(workspace: Workspace, span: str) -> tuple[Episode, ...]:
    done = workspace.backtest(span, "--export", "none")
    assert done.code == 0, done.output
    return workspace.episodes()


def test_recorded_tuned_used_and_rolled_back(workspace: Workspace) -> None:
    recorded = backtest(workspace, RECORDED)
    assert set(prompts_in(recorded).values()) == {OWN}
    assert set(prompts_in(recorded, "quant").values()) == {None}

    done = tune(workspace)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "proposal 1 of 2" in done.stderr
    assert "promoted: decisions of conservative from" in done.stdout, done.stdout + done.stderr
    manifest = workspace.manifest()
    database = Database(store_url(manifest.store_url, Path(workspace.user_data)))
    (promotion,) = promotions(database)

    used = prompts_in(backtest(workspace, LATER))
    assert min(used) < promotion.known_at <= max(used)
    for asof, version in used.items():
        assert version == (promotion.prompt.version if asof >= promotion.known_at else OWN)
    # The span that it was found on decides as before: the proof was not known then.
    again = backtest(workspace, "20240301-20240409")
    assert set(prompts_in(again).values()) == {OWN}

    undone = tune(workspace, "--rollback")
    assert undone.returncode == 0, undone.stderr
    assert set(prompts_in(backtest(workspace, LATER)).values()) == {OWN}
