"""`agent-market weights`: the table, the sentences and the JSON agree with the store."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent_market.cli import app
from agent_market.errors import DataError
from agent_market.records import Episode
from agent_market.runs.manifest import RunManifest, write_manifest
from agent_market.store.database import Database, store_url
from agent_market.store.episodes import write_episodes
from tests.helpers.episode_makers import an_episode

MONDAY = datetime(2024, 3, 4, tzinfo=UTC)
URL = "sqlite:///{user_data}/agent_market.sqlite"
MANIFEST = RunManifest(
    scope="run-1",
    identifier="run-1",
    runmode="backtest",
    pairs=("BTC/USDT",),
    timeframe="1h",
    timerange="20240304-20240401",
    agents=("conservative", "quant"),
    llm_model="heuristic",
    llm_mode="record",
    fee=0.001,
    slippage=0.0002,
    horizon_candles=12,
    store_url=URL,
    version="0",
)


def decided(n: int, days: int, conservative: float) -> Episode:
    """The n-th decision, some days after the Monday, in quiet chop."""
    asof = MONDAY + timedelta(days=days)
    made = an_episode(n, depths={"conservative": 1.0, "quant": 2.0}, scope="run-1")
    shares = {"conservative": conservative, "quant": 1.0 - conservative}
    return replace(
        made,
        view=replace(made.view, asof=asof, regime="chop-calm"),
        recall=replace(made.recall, asof=asof),
        decision=replace(made.decision, asof=asof, weights=shares),
        due=asof + timedelta(hours=12),
    )


@pytest.fixture
def user_data(tmp_path: Path) -> Path:
    write_manifest(MANIFEST, tmp_path)
    database = Database(store_url(URL, tmp_path))
    write_episodes(database, [decided(n, n, 0.30) for n in range(3)])
    write_episodes(database, [decided(3 + n, 21 + n, 0.45) for n in range(3)])
    database.close()
    return tmp_path


def weights(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["weights", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_table_has_a_line_a_week_and_the_change_in_words(user_data: Path) -> None:
    shown = weights("--userdir", str(user_data))
    assert "2 of 2 weeks" in shown
    (first, last) = [line for line in shown.splitlines() if "│" in line]
    assert [cell.strip() for cell in first.strip("│").split("│")] == [
        "chop-calm",
        "2024-03-04",
        "3",
        "30%",
        "70%",
    ]
    assert "45%" in last
    assert (
        "In chop-calm the conservative agent rose from 30% to 45% (weeks of 2024-03-04 and 2024-03-25)."
        in shown
    )


def test_a_narrow_terminal_still_names_every_regime_and_week(tmp_path: Path) -> None:
    names = ("aggressive", "conservative", "quant", "memory", "judge")
    write_manifest(MANIFEST, tmp_path)
    database = Database(store_url(URL, tmp_path))
    made = an_episode(1, depths=dict.fromkeys(names, 1.0), scope="run-1")
    write_episodes(database, [replace(made, view=replace(made.view, regime="chop-wild"))])
    database.close()
    shown = weights("--userdir", str(tmp_path))
    assert max(map(len, shown.splitlines())) <= 80
    assert "chop-wild" in shown
    assert "2024-01-01" in shown
    assert "…" not in shown


def test_only_the_newest_weeks_are_shown_but_changes_are_told_over_all(user_data: Path) -> None:
    shown = weights("--userdir", str(user_data), "--weeks", "1")
    table, _, words = shown.partition("In chop-calm")
    assert "1 of 2 weeks" in table
    assert "30%" not in table
    assert "rose from 30% to 45%" in words or "fell from 70% to 55%" in words


def test_json_holds_every_week_and_plain_numbers(user_data: Path) -> None:
    printed = json.loads(weights("--userdir", str(user_data), "--json"))
    assert printed["scope"] == "run-1"
    assert [(r["regime"], r["week"], r["decisions"]) for r in printed["rows"]] == [
        ("chop-calm", "2024-03-04", 3),
        ("chop-calm", "2024-03-25", 3),
    ]
    assert printed["rows"][1]["weights"] == pytest.approx({"conservative": 0.45, "quant": 0.55})
    change = printed["changes"][0]
    assert (change["agent"], change["before"], change["after"]) == (
        "conservative",
        pytest.approx(0.3),
        pytest.approx(0.45),
    )


def test_a_pair_without_decisions_is_an_error_that_names_it(user_data: Path) -> None:
    with pytest.raises(DataError, match="for NOPE/USDT"):
        CliRunner().invoke(
            app, ["weights", "--userdir", str(user_data), "--pair", "NOPE/USDT"], catch_exceptions=False
        )
