"""A dry-run bot of its own process on the sandbox, and what its log may not say."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.helpers.workspace import Workspace, stop

PAIRS = ["BTC/USDT", "ETH/USDT"]
TRADES_DB = "trades.sqlite"
BAD = ("raised exception", "Unable to analyze candle")


QUICK_STRATEGY = """
from agent_market.strategy.strategy import AgentMarketStrategyBase
from freqtrade.strategy import DecimalParameter


class QuickStrategy(AgentMarketStrategyBase):
    '''Enters on any usable decision and leaves after a minute: what is tested is the plumbing.'''

    minimal_roi = {"1": -1.0}
    stoploss = -0.5
    entry_threshold = DecimalParameter(-10.0, 8.0, default=-9.9, decimals=1, space="fusion")
    exit_threshold = DecimalParameter(-10.0, 8.0, default=-9.9, decimals=1, space="fusion")
"""


CONFIG = {
    "timeframe": "1m",
    "max_open_trades": 2,
    "exchange": {"pair_whitelist": PAIRS},
    "internals": {"process_throttle_secs": 1},
    "freqai": {
        "train_period_days": 1,
        "live_retrain_hours": 0.01,
        "feature_parameters": {"include_timeframes": ["1m"], "include_corr_pairlist": []},
        "model_training_parameters": {"n_estimators": 20, "n_jobs": 1},
    },
    "agent_market": {
        "decision": {"cadence_candles": 1, "horizon_candles": 1, "gate_min_candles": 1},
        "sizing": {"mode": "threshold"},
    },
}


@contextmanager
def bot(workspace: Workspace, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A dry-run bot for as long as the block lasts, stopped as a trader stops it."""
    command = workspace.command(
        *("trade", "--dry-run", "--strategy", "QuickStrategy", "--freqaimodel", "AgentEnsemble"),
        *("--datadir", str(workspace.user_data / "live_data")),
        *("--db-url", f"sqlite:///{workspace.user_data / TRADES_DB}"),
    )
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env={**os.environ})
        try:
            yield process
        finally:
            stop(process)
