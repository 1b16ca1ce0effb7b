"""`agent-market factors mine`, `publish`, `list` and `show`, and the two scripts, on a few candles."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from freqtrade.data.history.datahandlers import get_datahandler
from freqtrade.enums import CandleType
from typer.testing import CliRunner, Result

from agent_market.cli import app
from agent_market.errors import ConfigError, DataError
from agent_market.factors.mining.files import expressions_file, features_file
from tests.helpers.mining_worlds import market


@pytest.fixture
def user_data(tmp_path: Path) -> Path:
    """Candles with a planted signal, and a config that tries 24 candidates."""
    folder = tmp_path / "user_data"
    data = folder / "data" / "binance"
    data.mkdir(parents=True)
    panel = market(0.012, rows=1_200)
    handler = get_datahandler(data, "feather")
    for row, pair in enumerate(panel.pairs):
        frame = pd.DataFrame({name: values[row] for name, values in panel.columns.items()})
        frame.insert(0, "date", panel.times - pd.Timedelta(hours=1))
        handler.ohlcv_store(pair, "1h", frame, CandleType.SPOT)
    config = {
        "stake_currency": "USDT",
        "stake_amount": 10,
        "dry_run": True,
        "timeframe": "1h",
        "entry_pricing": {"use_order_book": True, "order_book_top": 1, "price_side": "other"},
        "exit_pricing": {"use_order_book": True, "order_book_top": 1, "price_side": "other"},
        "exchange": {"name": "binance", "pair_whitelist": list(panel.pairs)},
        "agent_market": {
            "mining": {"candidates": 24, "batch": 8, "pool": 3, "horizon": 4, "longest_lookback": 300}
        },
    }
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["factors", *map(str, arguments)], catch_exceptions=False)


def test_mine_shows_pool_proposers_verdict_and_files_and_list_and_show_read_them(user_data: Path) -> None:
    done = run("mine", "--userdir", user_data, "--no-llm")
    assert done.exit_code == 0, done.output
    for words in ("factors; joint IC", "library", "genetic", "24 candidates in this search", "effective"):
        assert words in done.output
    assert "promoted: lead" in done.output
    record = json.loads(expressions_file(user_data).read_text())
    assert record["promoted"]
    assert [f["name"] for f in json.loads(features_file(user_data).read_text())["factors"]] == [
        f["name"] for f in record["factors"]
    ]
    listed = run("list", "--userdir", user_data)
    first = record["factors"][0]
    assert first["hash"][:12] in listed.output
    assert "in force from" in listed.output
    shown = run("show", first["name"], "--userdir", user_data)
    assert first["expression"] in shown.output
    assert "rank IC at horizon 4" in shown.output
    assert "trial " in shown.output
    with pytest.raises(ConfigError, match="names 0 factors"):
        run("show", "factor_0000", "--userdir", user_data)


def test_days_bound_the_search_and_json_is_one_object(user_data: Path) -> None:
    days = ("--start", "2024-01-03", "--prove-from", "2024-02-05", "--end", "2024-02-15")
    done = run("mine", "--userdir", user_data, "--no-llm", "--no-publish", "--json", *days)
    found = json.loads(done.stdout)
    assert found["tried"] == 24
    record = json.loads(expressions_file(user_data).read_text())
    assert record["span"] == {"start": "2024-01-03T00:00:00Z", "end": "2024-02-05T00:00:00Z"}
    assert record["known_at"] == record["promote_span"]["end"] == "2024-02-15T00:00:00Z"
    assert not features_file(user_data).exists()


def test_without_a_search_or_candles_it_says_what_to_do(user_data: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="agent-market factors mine"):
        run("list", "--userdir", user_data)
    with pytest.raises(DataError, match="agent-market factors mine"):
        run("publish", "--userdir", user_data)
    with pytest.raises(DataError, match="freqtrade download-data"):
        run("mine", "--userdir", user_data, "--no-llm", "--datadir", tmp_path)


@pytest.mark.slow
def test_the_scripts_are_the_same_commands(user_data: Path, repository: Path) -> None:
    def script(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(repository / "scripts" / name), "--userdir", str(user_data), *arguments],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": f"{repository}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"},
            check=False,
        )

    refused = script("freqai_feature_agent.py")
    assert refused.returncode == 2
    assert "Error: freqai_expressions.json is missing" in refused.stderr
    found = script("freqai_expression_agent.py", "--no-llm", "--candidates", "16")
    assert found.returncode == 0, found.stderr
    assert expressions_file(user_data).exists()
    assert not features_file(user_data).exists()
    published = script("freqai_feature_agent.py", "--unproven")
    assert published.returncode == 0, published.stderr
    assert "in force from" in published.stdout
    assert features_file(user_data).exists()
