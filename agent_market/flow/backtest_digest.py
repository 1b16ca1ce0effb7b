"""The outcome of a backtest, without what differs between equal runs (times, paths, ports)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pandas as pd

from agent_market.config import load_settings
from agent_market.flow.plan import FlowPlan
from agent_market.reports.backtest_result import BacktestRun, StrategyRun, load_run
from agent_market.reports.load import episodes_in
from agent_market.store.episode_json import digest_of

OUTCOME = "outcome.json"
COLUMNS = (
    *("pair", "open_date", "close_date", "is_short", "open_rate", "close_rate", "amount", "leverage"),
    *("fee_open", "fee_close", "profit_abs", "enter_tag", "exit_reason"),
)


def write_outcome(result: Path, plan: FlowPlan, file: Path) -> None:
    """Write each strategy's trades and the digest of the decisions behind them, as JSON with sorted keys.

    :raises DataError: the result cannot be read.
    """
    run = load_run(result)
    values = {
        "span": [run.first.start.isoformat(), run.first.end.isoformat()],
        "strategies": {one.name: _strategy(one) for one in run.strategies},
        "decisions": _decisions(run, plan),
    }
    file.write_bytes(orjson.dumps(values, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n")


def _strategy(run: StrategyRun) -> dict[str, Any]:
    trades = run.trades.sort_values(["open_date", "pair"], kind="stable") if len(run.trades) else run.trades
    rows = [[_plain(trade[column]) for column in COLUMNS] for trade in trades.to_dict("records")]
    total = sum(float(trade["profit_abs"]) for trade in trades.to_dict("records"))
    return {
        "start": run.starting_balance,
        "profit": total / run.starting_balance,
        "columns": list(COLUMNS),
        "trades": rows,
    }


def _decisions(run: BacktestRun, plan: FlowPlan) -> dict[str, Any]:
    episodes = episodes_in(run, load_settings(run.config), plan.settings.userdir)
    return {"count": len(episodes), "sha256": digest_of(episodes)}


def _plain(value: Any) -> Any:
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    return value.item() if hasattr(value, "item") else value
