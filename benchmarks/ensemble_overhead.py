"""What the committee costs: AgentEnsemble with a warm replay store against freqtrade's LightGBMRegressor.

Both backtest on the same candles, features, windows and LightGBM parameters, each in a process of its own,
one after the other, several times; nothing is taken from FreqAI's prediction cache. Both trade: the peer's
strategy (peers/PlainModelTrades.py) is ours over the plain prediction, tags included, for freqtrade computes
about 20 ms of statistics for each distinct tag, whoever's it is. Beside it stands a peer that never trades.
`value` is the ratio of the medians of user CPU time to the peer that trades. The last line printed is JSON.

    python benchmarks/ensemble_overhead.py [--days 365] [--pairs 3] [--repeat 3]

Real candles are used where they are found (AGENT_MARKET_TEST_DATA or ../shared/data), else synthetic ones.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import statistics
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "tests" / "integration"))

from agent_market.sandbox.market import FeatherSource, Market, StandingMarket, SyntheticSource  # noqa: E402
from tests.helpers.workspace import Workspace, make_workspace, sandbox  # noqa: E402


class Run(NamedTuple):
    """What one backtest runs."""

    strategy: str
    model: str


PAIRS = ["BTC/USDT", "ETH/USDT", "SOL/USDT", "BNB/USDT", "XRP/USDT"]
TRAIN_DAYS = 120
WINDOW_DAYS = 30
OURS = Run("AgentMarketStrategy", "AgentEnsemble")
PEER = Run("PlainModelTrades", "LightGBMRegressor")
IDLE = Run("AgentMarketStrategy", "LightGBMRegressor")
"""The agents' columns are missing: the strategy never trades."""
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def market() -> tuple[Market, datetime, str]:
    """The market to test on, a start for the backtest, and its name."""
    folder = Path(os.environ.get("AGENT_MARKET_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    candles = folder / "candles" / "binance"
    if candles.is_dir():
        return StandingMarket(FeatherSource(candles)), datetime(2023, 1, 1, tzinfo=UTC), "real candles"
    return StandingMarket(SyntheticSource(seed=7)), datetime(2024, 1, 1, tzinfo=UTC), "synthetic candles"


def settings(pairs: list[str], mode: str) -> dict[str, object]:
    """Config changes that both models run under."""
    return {
        "exchange": {"pair_whitelist": pairs},
        "freqai": {
            "train_period_days": TRAIN_DAYS,
            "backtest_period_days": WINDOW_DAYS,
            "model_training_parameters": {"n_jobs": 1},
        },
        "agent_market": {"llm": {"mode": mode}},
    }


def user_seconds(workspace: Workspace, run: Run, timerange: str) -> tuple[float, int]:
    """User CPU time of one whole backtest from nothing cached but the answers, and its number of trades."""
    workspace.forget_models()
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    chosen = ("--strategy", run.strategy, "--freqaimodel", run.model, "--export", "none")
    done = workspace.backtest(timerange, *chosen, environment=ONE_THREAD, timeout=3600)
    if done.code != 0:
        sys.exit(f"{run.model} failed:\n{done.output[-4000:]}")
    trades = re.search(r"Total/Daily Avg Trades\D+(\d+)", done.text)
    return (
        resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before,
        int(trades.group(1)) if trades else 0,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    pairs = PAIRS[: options.pairs]
    source, start, name = market()
    end = start + timedelta(days=options.days)
    timerange = f"{start:%Y%m%d}-{end:%Y%m%d}"
    download = f"{start - timedelta(days=TRAIN_DAYS + 40):%Y%m%d}-{end:%Y%m%d}"
    with tempfile.TemporaryDirectory() as folder, sandbox(source) as (endpoints, _):
        workspace = make_workspace(Path(folder), endpoints)
        workspace.config(settings(pairs, "record"))
        loaded = workspace.download(download)
        if loaded.code != 0:
            sys.exit(f"download-data failed:\n{loaded.output[-4000:]}")
        shutil.copy(
            Path(__file__).parent / "peers" / f"{PEER.strategy}.py", workspace.user_data / "strategies"
        )
        cold, _ = user_seconds(workspace, OURS, timerange)
        decisions = len(workspace.episodes())
        workspace.config(settings(pairs, "replay"))
        times: dict[Run, list[float]] = {OURS: [], PEER: [], IDLE: []}
        for turn in range(options.repeat):
            for run, taken in times.items():
                seconds, trades = user_seconds(workspace, run, timerange)
                taken.append(seconds)
                done = f"run {turn + 1}/{options.repeat}: {run.strategy} over {run.model}"
                print(f"{done}: {seconds:.1f} s user, {trades} trades", flush=True)
    ours, peer, idle = (statistics.median(times[run]) for run in (OURS, PEER, IDLE))
    print(f"{name}, {len(pairs)} pairs, {timerange} 1h, {decisions} decisions; cold: {cold:.1f} s user")
    print(f"against {PEER.model} without a single trade: {ours / idle:.3f}")
    result = {
        "name": "ensemble_overhead",
        "value": round(ours / peer, 3),
        "unit": "ratio of user time",
        "against": f"freqtrade {PEER.model}, {peer:.1f} s",
        "ratio": round(ours / peer, 3),
        "against_no_trades": round(ours / idle, 3),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
