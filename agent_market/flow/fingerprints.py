"""Fingerprints of what steps depend on: code, installed packages, candles, files of the user."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import agent_market
from agent_market.books import shelf_digests
from agent_market.candles import load_candles
from agent_market.config import load_settings
from agent_market.factors.mining.files import features_file
from agent_market.flow.files import digest_of_files
from agent_market.flow.plan import FlowPlan
from agent_market.runs.knowledge import knowledge_digest

CANDLE_COLUMNS = ("open", "high", "low", "close", "volume")


@cache
def code_of(*parts: str) -> str:
    """sha256 of the Python code of these modules and packages of Agent Market, each a path without `.py`."""
    root = Path(agent_market.__file__).parent
    files: list[Path] = []
    for part in parts:
        place = root / part
        files += sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]
    return digest_of_files(files, root)


def versions_of(*packages: str) -> dict[str, str | None]:
    """Installed versions; None for a package that is not installed."""
    return {package: _version(package) for package in packages}


def digest_of_candles(frame: pd.DataFrame) -> str:
    """sha256 of times and prices, independent of file format and time resolution."""
    digest = hashlib.sha256(pd.DatetimeIndex(frame["date"]).as_unit("ms").asi8.tobytes())
    for column in CANDLE_COLUMNS:
        digest.update(np.ascontiguousarray(frame[column].to_numpy(dtype=np.float64)).tobytes())
    return digest.hexdigest()


def candles_of(plan: FlowPlan, start: datetime, end: datetime) -> dict[str, dict[str, Any]]:
    """Each series on disk between two moments, as "PAIR TIMEFRAME" -> rows, first, last and digest."""
    mode = str(plan.config.get("trading_mode") or "spot")
    found: dict[str, dict[str, Any]] = {}
    for timeframe in plan.timeframes:
        frames = load_candles(plan.datadir, plan.pairs_to_download, timeframe, mode, start, end)
        for pair, frame in sorted(frames.items()):
            found[f"{pair} {timeframe}"] = {
                "rows": len(frame),
                "first": f"{frame['date'].iloc[0]:%Y-%m-%d %H:%M}",
                "last": f"{frame['date'].iloc[-1]:%Y-%m-%d %H:%M}",
                "sha256": digest_of_candles(frame),
            }
    return found


def user_code(plan: FlowPlan) -> str:
    """sha256 of the strategies and FreqAI models that a flow may load, with what hyperopt wrote."""
    settings = plan.settings
    digest = hashlib.sha256()
    for folder in (
        settings.strategy_path or settings.userdir / "strategies",
        settings.freqaimodel_path or settings.userdir / "freqaimodels",
    ):
        files = [file for suffix in ("py", "json") for file in folder.glob(f"*.{suffix}")]
        digest.update(digest_of_files(files, folder).encode())
    return digest.hexdigest()


def features_in_force(plan: FlowPlan) -> str:
    """sha256 of the mined factors that strategies load, for a flow without mining."""
    return digest_of_files([features_file(plan.settings.userdir)], plan.settings.userdir)


def context_files(plan: FlowPlan) -> str:
    """sha256 of the dated series and the news that agents see beside candles."""
    perception = load_settings(plan.config).perception
    files = [*(one.path for one in perception.context), *perception.news.files]
    return _digest_anywhere(plan.settings.userdir / file for file in files)


def taught(plan: FlowPlan, config: Mapping[str, Any], end: datetime) -> str:
    """Digest of the notes of people and the tuned prompts that a backtest until `end` may use."""
    known = {**config, "user_data_dir": plan.settings.userdir, "timerange": f"-{end:%Y%m%d}"}
    section = config.get("agent_market", {})
    # A round's memory is the flow's own (`steps.backtest.round_config`), and so are its promotions.
    memory = section.get("memory", {})
    named = {
        **known,
        "agent_market": {**section, "memory": {**memory, "scope": memory.get("scope") or plan.scope}},
    }
    prompts = shelf_digests(named, ("prompts",))["prompts"]
    return f"{knowledge_digest(known)}/{prompts}"


def _digest_anywhere(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(digest_of_files([file], file.parent).encode())
    return digest.hexdigest()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
