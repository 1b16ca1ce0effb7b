"""Does the committee carry what every textbook carries? The default strategy beside the textbook rows.

Plain `freqtrade backtesting` of `AgentMarketStrategy` over `AgentEnsemble` on every spot pair of a folder of
freqtrade feather candles, offline (the sandbox serves the exchange's rules, the candles are read from the
folder), against the rows of `agent_market.decision.textbook` on the same candles, span and costs: decisions
each 12 hours, the rows filled an hour later, equal share a pair. Language models are off by default, for none
is paid here; `--models` lets the sandbox's rule-based model speak for them.

    python benchmarks/textbook.py DATA [--start 20210920] [--end 20250919] [--cost 0.001] [--sealed-days 182]

The newest 182 days of DATA stay sealed unless `--sealed-days 0` is given. The last line printed is JSON:
`value` is our Sharpe ratio, `ratio` that over the strongest textbook row's; the exit code is 1 where the
ratio is below 1, or our run is absent (`--rows-only`).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import pandas as pd  # noqa: E402

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from agent_market.evaluation.textbook import (  # noqa: E402
    PriceGrid,
    Row,
    compare,
    pairs_in,
    read_price_grid,
    row_of_equity,
    table,
    textbook_rows,
)
from agent_market.reports.backtest_result import latest_result, load_run  # noqa: E402
from agent_market.reports.equity import candle_grid, equity_curve, fills_of  # noqa: E402
from agent_market.sandbox.market import FeatherSource, StandingMarket  # noqa: E402
from tests.helpers.workspace import make_workspace, merged, sandbox  # noqa: E402

LANGUAGE_MODELS = ("aggressive", "conservative", "judge")
DAY = pd.Timedelta(days=1)


def config_of(pairs: tuple[str, ...], options: argparse.Namespace) -> dict[str, Any]:
    """What the sandbox's example config needs for these pairs: a slot a pair, costs, and who speaks."""
    silent = [{"name": name, "enabled": False} for name in LANGUAGE_MODELS]
    changes: dict[str, Any] = {
        "exchange": {"pair_whitelist": list(pairs)},
        "max_open_trades": len(pairs),
        "tradable_balance_ratio": 0.99,
        "fee": options.cost,
        "freqai": {
            "backtest_period_days": options.window_days,
            "model_training_parameters": {"n_jobs": 1},
        },
    }
    if not options.models:
        changes["agent_market"] = {"agents": {"roles": silent}}
    return merged(changes, json.loads(options.config)) if options.config else changes


def run_ours(
    folder: Path, data: Path, options: argparse.Namespace, first: pd.Timestamp, last: pd.Timestamp
) -> Row:
    """The default strategy by real `freqtrade backtesting`; a failed run ends the benchmark."""
    pairs = pairs_in(data, "1h")
    market = StandingMarket(FeatherSource(data, pairs))
    with sandbox(market) as (endpoints, _):
        workspace = make_workspace(folder, endpoints)
        workspace.config(config_of(pairs, options))
        timerange = f"{first:%Y%m%d}-{last:%Y%m%d}"
        began = time.monotonic()
        done = workspace.backtest(
            timerange,
            *("--datadir", str(data), "--export", "trades", "--strategy", options.strategy),
            *("--backtest-directory", str(folder)),
            timeout=options.timeout,
        )
        if done.code != 0:
            sys.exit(f"freqtrade backtesting failed:\n{done.output[-6000:]}")
        print(f"freqtrade backtesting took {time.monotonic() - began:.0f} s", flush=True)
    return row_of_run(folder, data, pairs)


def row_of_run(folder: Path, data: Path, pairs: tuple[str, ...]) -> Row:
    """The newest result of a folder, its account valued at each candle's close."""
    run = load_run(latest_result(folder)).first
    candles = candles_of(data, pairs)
    grid = candle_grid(run.start, run.end, run.timeframe)
    curve = equity_curve(run.trades, candles, grid, run.starting_balance, run.timeframe)
    traded = sum(abs(f.amount) * f.price for t in run.trades.to_dict("records") for f in fills_of(t))
    name = f"ours: {run.name} ({len(run.trades)} trades)"
    return row_of_equity(name, curve.equity, curve.invested, traded / float(curve.equity.mean()))


def candles_of(data: Path, pairs: tuple[str, ...]) -> Mapping[str, pd.DataFrame]:
    from agent_market.evaluation.panel_builder import read_candles  # noqa: PLC0415

    return read_candles(data, pairs, "1h")


def span_of(grid: PriceGrid, options: argparse.Namespace) -> tuple[pd.Timestamp, pd.Timestamp]:
    """First and last day judged: a year of history before, for training and the longest windows."""
    begin, end = (pd.Timestamp(int(grid.closes[i]), unit="s", tz="UTC") for i in (0, -1))
    first = pd.Timestamp(options.start, tz="UTC") if options.start else (begin + 365 * DAY).ceil("D")
    last = pd.Timestamp(options.end, tz="UTC") if options.end else end.floor("D")
    return first, min(last, (end - options.sealed_days * DAY).floor("D"))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "data", type=Path, help="folder of freqtrade feather files such as BTC_USDT-1h.feather"
    )
    parser.add_argument("--start", help="first day, YYYYMMDD; a year after the first candle by default")
    parser.add_argument("--end", help="last day, YYYYMMDD; as far as the seal lets by default")
    parser.add_argument("--sealed-days", type=int, default=182, help="newest days that are not read")
    parser.add_argument("--cost", type=float, default=0.001, help="of one side, as a fraction")
    parser.add_argument("--strategy", default="AgentMarketStrategy")
    parser.add_argument("--config", help="JSON laid over the config, for parts left out")
    parser.add_argument("--window-days", type=int, default=90, help="freqai.backtest_period_days")
    parser.add_argument(
        "--models", action="store_true", help="let the sandbox's model speak for the LLM agents"
    )
    parser.add_argument("--rows-only", action="store_true", help="textbook rows alone; ours is absent")
    parser.add_argument("--timeout", type=float, default=7200, help="seconds for freqtrade")
    parser.add_argument("--keep", type=Path, help="folder to keep the run in; a temporary one by default")
    options = parser.parse_args()
    data = options.data.resolve()
    grid = read_price_grid(data)
    first, last = span_of(grid, options)
    if last - first < 60 * DAY:
        sys.exit(f"only {(last - first).days} days to judge between {first} and {last}; give a longer span")
    rows = textbook_rows(grid, first, last, options.cost)
    strongest = max(rows, key=lambda row: row.sharpe)
    print(f"{len(grid.pairs)} pairs, {first:%Y-%m-%d} to {last:%Y-%m-%d}, {options.cost:.4f} a side")
    ours: Row | None = None
    if not options.rows_only:
        if options.keep:
            options.keep.mkdir(parents=True, exist_ok=True)
            ours = run_ours(options.keep.resolve(), data, options, first, last)
        else:
            with tempfile.TemporaryDirectory() as folder:
                ours = run_ours(Path(folder), data, options, first, last)
    print(table((*rows, ours) if ours else rows))
    result: dict[str, Any] = {
        "name": "textbook",
        "value": None,
        "unit": "Sharpe ratio a year",
        "against": f"{strongest.name}, {strongest.sharpe:.3f}",
        "ratio": None,
    }
    if ours is None:
        print("ours is absent: --rows-only")
    else:
        test = compare(ours, strongest)
        scale = 365.0**0.5
        print(
            f"ours - {strongest.name}: Sharpe {test.mean * scale:+.2f} "
            f"[{test.low * scale:+.2f}, {test.high * scale:+.2f}] (95%, paired stationary block bootstrap, "
            f"blocks of {test.block} days)"
        )
        result |= {
            "value": round(ours.sharpe, 3),
            "ratio": round(ours.sharpe / strongest.sharpe, 3) if strongest.sharpe > 0 else None,
            "drawdown": round(ours.drawdown, 3),
            "drawdown_against": round(strongest.drawdown, 3),
            "interval": [round(test.low * scale, 3), round(test.high * scale, 3)],
            "capital": round(ours.capital, 3),
        }
    print(json.dumps(result))
    return 0 if ours is not None and ours.sharpe >= max(strongest.sharpe, 0.0) else 1


if __name__ == "__main__":
    sys.exit(main())
