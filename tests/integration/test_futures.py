"""`AgentMarketFuturesStrategy` on perpetuals of the sandbox: both sides, funding, leverage in the gate."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from agent_market.sandbox.market import StandingMarket, SyntheticSource
from tests.helpers.workspace import make_workspace, sandbox

PAIRS = ["BTC/USDT:USDT", "ETH/USDT:USDT"]
CONFIG: dict[str, Any] = {
    "trading_mode": "futures",
    "margin_mode": "isolated",
    "exchange": {"pair_whitelist": PAIRS},
    "dry_run_wallet": 10_000,
    "stake_amount": "unlimited",
    "max_open_trades": 2,
    "freqai": {
        "train_period_days": 30,
        "backtest_period_days": 15,
        "model_training_parameters": {"n_estimators": 30, "n_jobs": 1},
    },
    "agent_market": {
        "decision": {"hold_threshold": 0.2},
        "sizing": {"mode": "threshold"},
        "risk": {"stop": {"rule": "atr"}, "position": {"invalidation": True}},
    },
}


def trades_of(user_data: Path) -> list[dict[str, Any]]:
    """All trades of the newest backtest."""
    (file,) = (user_data / "backtest_results").glob("*.zip")
    with zipfile.ZipFile(file) as archive:
        name = next(n for n in archive.namelist() if n.endswith(".json") and "config" not in n)
        (result,) = json.loads(archive.read(name))["strategy"].values()
    return list(result["trades"])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_futures_backtest_goes_both_ways_with_leverage_within_the_gate(tmp_path: Path) -> None:
    with sandbox(StandingMarket(SyntheticSource(seed=7))) as (endpoints, _):
        workspace = make_workspace(tmp_path, endpoints)
        workspace.config(CONFIG)
        strategy = workspace.user_data / "strategies" / "AgentMarketFuturesStrategy.json"
        parameters = {"entry_threshold": 0.5, "exit_threshold": -0.5}
        strategy.write_text(
            json.dumps(
                {
                    "strategy_name": "AgentMarketFuturesStrategy",
                    "params": {"fusion": parameters},
                    "ft_stratparam_v": 1,
                }
            )
        )
        downloaded = workspace.download("20240101-20240415")
        assert downloaded.code == 0, downloaded.output
        run = workspace.backtest(
            "20240301-20240401", "--strategy", "AgentMarketFuturesStrategy", "--export", "trades"
        )
        assert run.code == 0, run.output[-4000:]
        assert "caused the following exception" not in run.output, run.output[-4000:]
    trades = trades_of(workspace.user_data)
    assert {trade["is_short"] for trade in trades} == {True, False}, run.output[-3000:]
    assert all(1.0 <= trade["leverage"] <= 1.5 for trade in trades)
    assert any(trade["leverage"] > 1.0 for trade in trades), "conviction asks for leverage"
    assert any(trade["funding_fees"] for trade in trades), "funding is charged"
    # 10,000 in the wallet at the start: no symbol beyond 30% of what the account was ever worth.
    most = 0.30 * (10_000.0 + sum(max(trade["profit_abs"], 0.0) for trade in trades))
    held = [(t["pair"], t["stake_amount"] * t["leverage"]) for t in trades]
    assert max(notional for _, notional in held) <= most, (most, held)
    journal = workspace.user_data / "agent_market" / "backtest" / "AgentMarketFuturesStrategy" / "risk.jsonl"
    clamped = [json.loads(line) for line in journal.read_text().splitlines()]
    assert any(row["limit"] == "symbol_notional" for line in clamped for row in line.get("clamps", ()))
    assert all("@" in line["decision"] for line in clamped)
