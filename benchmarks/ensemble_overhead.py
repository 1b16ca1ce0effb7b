"""What the committee costs: AgentEnsemble with a warm replay store against freqtrade's LightGBMRegressor.

Both backtest the same strategy on the same candles, features, windows and LightGBM parameters, each in a
process of its own, one after the other, several times; nothing is taken from FreqAI's prediction cache.
`value` is the ratio of the medians of user CPU time. The last line printed is JSON.

    python benchmarks/ensemble_overhead.py [--days 365] [--pairs 3] [--repeat 3]

Real candles are used where they are found (AGENT_MARKET_TEST_DATA or ../shared/data), else synthetic ones.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "tests" / "integration"))

from workspace import Workspace, make_workspace, sandbox  # noqa: E402

from agent_market.sandbox.market import FeatherSource, Market, StandingMarket, SyntheticSource  # noqa: E402

PAIRS = ["BTC/USDT", "ETH/USDT", "SOL/USDT", "BNB/USDT", "XRP/USDT"]
TRAIN_DAYS = 120
WINDOW_DAYS = 30
PEER = "LightGBMRegressor"
OURS = "AgentEnsemble"
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


def user_seconds(workspace: Workspace, model: str, timerange: str) -> float:
    """User CPU time of one whole backtest from nothing cached but the answers."""
    workspace.forget_models()
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = workspace.backtest(
        timerange, "--freqaimodel", model, "--export", "none", environment=ONE_THREAD, timeout=3600
    )
    if done.code != 0:
        sys.exit(f"{model} failed:\n{done.output[-4000:]}")
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


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
        cold = user_seconds(workspace, OURS, timerange)
        decisions = len(workspace.episodes())
        workspace.config(settings(pairs, "replay"))
        times: dict[str, list[float]] = {OURS: [], PEER: []}
        for turn in range(options.repeat):
            for model in (OURS, PEER):
                times[model].append(user_seconds(workspace, model, timerange))
                print(f"run {turn + 1}/{options.repeat}: {model} {times[model][-1]:.1f} s user", flush=True)
    ours, peer = (statistics.median(times[model]) for model in (OURS, PEER))
    print(
        f"{name}, {len(pairs)} pairs, {timerange} 1h, {decisions} decisions; "
        f"cold (model asked): {cold:.1f} s user"
    )
    print(
        json.dumps(
            {
                "name": "ensemble_overhead",
                "value": round(ours / peer, 3),
                "unit": "ratio of user time",
                "against": f"freqtrade {PEER}, {peer:.1f} s",
                "ratio": round(ours / peer, 3),
            }
        )
    )


if __name__ == "__main__":
    main()
