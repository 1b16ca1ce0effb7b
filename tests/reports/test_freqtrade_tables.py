"""freqtrade's own tables, as a product that no terminal changes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.helpers.backtest_results import make_trade, write_result

PRINT = """
import sys
from pathlib import Path
from agent_market.reports.backtest_result import load_freqtrade_table
sys.stdout.write(load_freqtrade_table(Path(sys.argv[1])))
"""


def printed(result: Path, **environment: str) -> str:
    """In a process of its own: within pytest, freqtrade fixes the width itself."""
    kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "FORCE_COLOR")}
    done = subprocess.run(
        [sys.executable, "-c", PRINT, str(result)],
        env=kept | environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


def test_freqtrades_own_report_is_there_and_the_same_on_every_terminal(tmp_path: Path) -> None:
    result = write_result(tmp_path, {"AgentMarketStrategy": [make_trade()], "EqualWeightBaseline": []})
    plain = printed(result)
    for heading in ("BACKTESTING REPORT", "SUMMARY METRICS", "STRATEGY SUMMARY"):
        assert heading in plain
    assert "BTC/USDT" in plain
    assert printed(result, COLUMNS="60") == printed(result, COLUMNS="240", FORCE_COLOR="1") == plain
