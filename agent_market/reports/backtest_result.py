"""Read results of `freqtrade backtesting --export trades` as typed values."""

from __future__ import annotations

import contextlib
import io
import json
import os
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from freqtrade.data.btanalysis import (
    get_latest_backtest_filename,
    load_backtest_data,
    load_backtest_stats,
)
from freqtrade.optimize.optimize_reports import (
    text_table_add_metrics,
    text_table_bt_results,
    text_table_strategy,
)

from agent_market.errors import DataError

TABLE_WIDTH = 170
"""Columns of freqtrade's own tables as we print them."""


@dataclass(frozen=True, slots=True)
class StrategyRun:
    """One strategy of a backtest.

    `trades` has freqtrade's `BT_DATA_COLUMNS`, and may be empty; `start` and `end` are the *open*
    times (UTC) of the first and the last candle traded: what is still held at `end` is sold at the open of
    that candle, so at `end` a strategy is flat.
    """

    name: str
    trades: pd.DataFrame
    starting_balance: float
    stake_currency: str
    start: datetime
    end: datetime
    timeframe: str
    pairs: tuple[str, ...]
    max_open_trades: int
    trading_mode: str
    freqai_model: str | None
    identifier: str | None


@dataclass(frozen=True, slots=True)
class BacktestRun:
    """One result file: its strategies in the order they were run, and the config freqtrade kept with it.

    `notes` is what was given as `--notes`, empty without.
    """

    path: Path
    strategies: tuple[StrategyRun, ...]
    config: Mapping[str, Any]
    notes: str

    @property
    def first(self) -> StrategyRun:
        """The strategy that stands for the run's common facts: pairs, span, balance, timeframe."""
        return self.strategies[0]


def latest_result(directory: Path) -> Path:
    """Return the newest backtest result of a directory, from freqtrade's `.last_result.json`.

    :raises DataError: no result.
    """
    try:
        path = directory / get_latest_backtest_filename(directory)
    except ValueError as error:
        raise DataError(
            f"no backtest result in {directory}: {error} Run `freqtrade backtesting --export trades` first, "
            "or name a result with --result."
        ) from error
    if not path.is_file():
        raise DataError(f"{directory} names {path.name} as its newest result, but that file is missing.")
    return path


def load_run(path: Path) -> BacktestRun:
    """Read a result file (the zip that freqtrade writes).

    :raises DataError: the file is absent, no backtest result, or holds no strategy.
    """
    if not path.is_file():
        raise DataError(f"no backtest result at {path}.")
    try:
        stats = load_backtest_stats(path)
        results: Mapping[str, Any] = stats["strategy"]
        notes = [str(entry.get("notes") or "") for entry in stats["metadata"].values()]
        strategies = tuple(_strategy(name, result, path) for name, result in results.items())
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is not a backtest result that freqtrade can read: {error!r}") from error
    if not strategies:
        raise DataError(f"{path} holds no strategy: freqtrade wrote an empty result.")
    return BacktestRun(
        path=path, strategies=strategies, config=_stored_config(path), notes=max(notes, default="")
    )


def load_freqtrade_table(path: Path) -> str:
    """freqtrade's own tables of a result, as `freqtrade backtesting` prints them, in a fixed width.

    For the first strategy the report by pair and the summary metrics; then one line a strategy.
    """
    stats = load_backtest_stats(path)
    first = load_run(path).first
    result = stats["strategy"][first.name]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), _columns(TABLE_WIDTH):
        print(f"Result for strategy {first.name}")
        text_table_bt_results(result["results_per_pair"], first.stake_currency, "BACKTESTING REPORT")
        text_table_add_metrics(result)
        text_table_strategy(stats["strategy_comparison"], first.stake_currency, "FREQTRADE: STRATEGY SUMMARY")
    return printed.getvalue().rstrip()


@contextlib.contextmanager
def _columns(width: int) -> Iterator[None]:
    """Fix what freqtrade's tables take from the terminal: a product must not depend on it."""
    wanted = {"COLUMNS": str(width), "FORCE_COLOR": None, "TTY_COMPATIBLE": None}
    before = {name: os.environ.get(name) for name in wanted}
    _set_environment(wanted)
    try:
        yield
    finally:
        _set_environment(before)


def _set_environment(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _strategy(name: str, result: Mapping[str, Any], path: Path) -> StrategyRun:
    return StrategyRun(
        name=name,
        trades=load_backtest_data(path, strategy=name),
        starting_balance=float(result["starting_balance"]),
        stake_currency=str(result["stake_currency"]),
        start=datetime.fromtimestamp(result["backtest_start_ts"] / 1000, tz=UTC),
        end=datetime.fromtimestamp(result["backtest_end_ts"] / 1000, tz=UTC),
        timeframe=str(result["timeframe"]),
        pairs=tuple(result["pairlist"]),
        max_open_trades=int(result["max_open_trades"]),
        trading_mode=str(result.get("trading_mode") or "spot"),
        freqai_model=result.get("freqaimodel"),
        identifier=result.get("freqai_identifier"),
    )


def _stored_config(path: Path) -> Mapping[str, Any]:
    """The config inside the zip (secrets already removed by freqtrade); empty for a bare .json result."""
    if path.suffix != ".zip":
        return {}
    with zipfile.ZipFile(path) as archive:
        name = f"{path.stem}_config.json"
        if name not in archive.namelist():
            return {}
        return dict(json.loads(archive.read(name)))
