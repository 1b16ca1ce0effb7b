"""`agent-market memory`, `backup` and `restore`, as a person uses them."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from click.testing import Result
from typer.testing import CliRunner

from agent_market.cli import app
from agent_market.errors import AgentMarketError
from agent_market.store.database import Database
from agent_market.store.episodes import write_episodes
from tests.helpers.episode_makers import an_episode, an_outcome

DIP = "Buying dips in a calm uptrend works when RSI is low"


@pytest.fixture
def run(tmp_path: Path):  # type: ignore[no-untyped-def]
    def invoke(*arguments: str) -> Result:
        result = CliRunner().invoke(app, [*arguments, "--userdir", str(tmp_path)])
        if result.exception is not None and not isinstance(result.exception, AgentMarketError | SystemExit):
            raise result.exception
        return result

    return invoke


def memory(run, *arguments: str) -> str:  # type: ignore[no-untyped-def]
    result = run("memory", *arguments)
    assert result.exception is None, result.exception
    return str(result.output)


def test_a_note_from_teaching_to_forgetting(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    note = memory(run, "teach", DIP, "--author", "ann", "--reason", "seen in spring").split()[-1]
    refused = run("memory", "teach", DIP.upper())
    assert "not taught (duplicate)" in str(refused.exception)
    assert DIP in memory(run, "search", "rsi low dips")
    assert "nothing in memory" in memory(run, "search", "rsi low dips", "--asof", "2020-01-01")
    memory(run, "pin", note)
    shown = memory(run, "show", note)
    assert "by ann (human, trust 0.9)" in shown
    assert "pinned" in shown
    assert "teach by ann: seen in spring" in shown
    assert note in memory(run, "show")
    stats = memory(run, "stats")
    assert "notes: 1" in stats
    assert "refused notes duplicate: 1" in stats
    memory(run, "forget", note, "--author", "bob")
    assert "nothing in memory" in memory(run, "search", "rsi low dips")
    assert "no note" in str(run("memory", "show", note).exception)


def test_a_correction_replaces_from_now_on(run) -> None:  # type: ignore[no-untyped-def]
    old = memory(run, "teach", DIP, "--known-at", "2024-01-05T12:00").split()[-1]
    memory(run, "correct", old, "Buying dips in a calm uptrend costs more than it brings")
    assert "costs more" in memory(run, "search", "dips uptrend")
    assert DIP in memory(run, "search", "dips uptrend", "--asof", "2024-01-05T12:00")
    assert "works" not in memory(run, "search", "dips uptrend")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--regime", "sideways"], "Unknown --regime sideways; use one of"),
        (["--known-at", "soon"], "Invalid time 'soon'"),
        (["--known-at", "2024-01-02", "--until", "2024-01-01"], "--until 2024-01-01 is not after"),
    ],
)
def test_wrong_options_are_named(run, options: list[str], message: str) -> None:  # type: ignore[no-untyped-def]
    assert message in str(run("memory", "teach", DIP, *options).exception)


@pytest.mark.parametrize(
    "command",
    [
        ["memory", "teach", DIP],
        ["memory", "show"],
        ["memory", "stats"],
        ["memory", "discover", "--scope", "live"],
        ["backup"],
        ["flow", "list"],
    ],
)
def test_a_user_data_directory_that_is_not_there_is_an_error_and_is_not_made(
    command: list[str], tmp_path: Path
) -> None:
    wrong = tmp_path / "user_dat"
    result = CliRunner().invoke(app, [*command, "--userdir", str(wrong)])
    assert isinstance(result.exception, AgentMarketError)
    assert f"no directory {wrong}" in str(result.exception)
    assert not wrong.exists(), "what is taught to a store that no bot reads is lost"


@pytest.mark.parametrize("timeframe", ["7x", "hour"])
def test_candles_of_a_timeframe_that_is_none_are_a_clear_error(run, tmp_path, timeframe: str) -> None:  # type: ignore[no-untyped-def]
    asked = ("--scope", "live", "--pairs", "BTC/USDT", "--datadir", str(tmp_path))
    refused = run("memory", "discover", *asked, "--timeframe", timeframe)
    assert f"Invalid timeframe '{timeframe}'; use for example 15m, 1h or 1d." in str(refused.exception)


def test_episodes_are_shown_searched_and_forgotten(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    database = Database(f"sqlite:///{tmp_path}/agent_market.sqlite")
    said = "momentum is strong and volume confirms it"
    first = an_episode(1, outcome=an_outcome(13, 0.02), belief=said, scope="live")
    write_episodes(database, [first, an_episode(2, outcome=an_outcome(14), belief=said, scope="live")])
    database.close()
    name = "BTC/USDT@1"
    shown = memory(run, "show", name, "--scope", "live")
    assert f"why    quant: {said}" in shown
    assert "valid  2024-01-01 01:00 to open" in shown
    counted = memory(run, "stats", "--scope", "live")
    assert "search texts live: 1" in counted
    assert "left out of search duplicate: 1" in counted
    assert f"{name}#quant" in memory(run, "search", "strong momentum", "--scope", "live")
    memory(run, "forget", name, "--scope", "live", "--author", "ann", "--reason", "bad print")
    # The view of hour 2 said the same: with the first one gone it is what was said.
    assert "BTC/USDT@2#quant" in memory(run, "search", "strong momentum", "--scope", "live")
    assert "forget by ann: bad print" in memory(run, "show", name, "--scope", "live")
    assert "episodes live: 2, 2 with outcome, 1 forgotten" in memory(run, "stats")


def test_the_graph_is_discovered_exported_and_explained(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    memory(run, "teach", "BTC falls when funding is high")
    assert "2 mentions" in memory(run, "discover", "--scope", "live")
    assert "less than a week ago" in memory(run, "discover", "--scope", "live")
    out = tmp_path / "new" / "graph.json"
    memory(run, "graph", "--out", str(out))
    assert {node["id"] for node in orjson.loads(out.read_bytes())["nodes"]} >= {
        "asset:BTC",
        "indicator:funding",
    }
    told = memory(run, "graph", "asset:BTC", "indicator:funding")
    assert "mentions BTC" in told
    assert "mentions funding" in told
    assert memory(run, "graph", "btc", "funding") == told
    assert memory(run, "graph", "asset:BTC").count("mentions BTC") == 1
    absent = str(run("memory", "graph", "asset:BTC", "asset:BTCX").exception)
    assert "no node 'asset:BTCX'; it has asset:BTC" in absent
    memory(run, "teach", "SOL rallies when the yen is weak")
    memory(run, "discover", "--scope", "live", "--force")
    assert "no path from asset:SOL to indicator:funding" in memory(run, "graph", "SOL", "funding")
    early = str(run("memory", "graph", "asset:BTC", "--asof", "2020-01-01").exception)
    assert "no edges at that time" in early


def test_a_discovery_without_decisions_or_candles_says_so(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    assert "no decision of nobody is in this store" in memory(run, "discover", "--scope", "nobody")
    arguments = ("memory", "discover", "--scope", "live", "--datadir", str(tmp_path))
    assert "no pairs given" in str(run(*arguments).exception)
    found = str(run(*arguments, "--pairs", "BTC/USDT", "--asof", "2024-06-01").exception)
    assert "no 1h candles of BTC/USDT from 2024-03-09 16:00 to 2024-06-01 00:00" in found
    assert "--asof" in found


def test_the_store_is_backed_up_and_restored(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    memory(run, "teach", DIP)
    made = run("backup", "--vacuum")
    assert made.exception is None
    assert "copied to " in made.output
    assert "1 copy in " in made.output
    assert "compacted the store: 0." in made.output
    memory(run, "teach", "Volume dries up on holidays everywhere")
    restored = run("restore")
    assert restored.exception is None
    assert " MB, 0 decisions)" in restored.output
    assert "the former store is" in restored.output
    stats = memory(run, "stats")
    assert "notes: 1" in stats
    assert "no backup in" in str(run("restore", "--from", str(tmp_path / "none")).exception)
