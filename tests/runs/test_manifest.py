"""The run manifest: written atomically, read with a clear error."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agent_market.errors import DataError
from agent_market.runs.manifest import RunManifest, latest_manifest, read_manifest, write_manifest

MANIFEST = RunManifest(
    scope="agent_market-0123",
    identifier="agent_market-0123",
    runmode="backtest",
    pairs=("BTC/USDT",),
    timeframe="1h",
    timerange="20240101-20240201",
    agents=("quant",),
    llm_model="heuristic",
    llm_mode="record",
    fee=0.001,
    slippage=0.0002,
    horizon_candles=12,
    store_url="sqlite:///{user_data}/agent_market.sqlite",
    version="0.1.0",
)


def test_what_is_written_is_read_back_equal(tmp_path: Path) -> None:
    assert read_manifest(write_manifest(MANIFEST, tmp_path)) == MANIFEST


def test_latest_is_the_last_one_written(tmp_path: Path) -> None:
    write_manifest(MANIFEST, tmp_path)
    newer = replace(MANIFEST, scope="live")
    write_manifest(newer, tmp_path)
    assert latest_manifest(tmp_path) == newer
    assert [p.name for p in (tmp_path / "agent_market" / "runs").iterdir() if p.name.startswith(".")] == []


def test_no_run_yet_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="freqtrade backtesting"):
        latest_manifest(tmp_path)


def test_a_torn_manifest_is_named(tmp_path: Path) -> None:
    file = write_manifest(MANIFEST, tmp_path)
    file.write_text('{"scope": "x"}')
    with pytest.raises(DataError, match=file.name):
        read_manifest(file)
