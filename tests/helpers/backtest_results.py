"""Backtest results of any shape, written by freqtrade's own functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from freqtrade.data.btanalysis.bt_fileutils import BT_DATA_COLUMNS
from freqtrade.optimize.optimize_reports import generate_backtest_stats, store_backtest_results

FEE = 0.001
START = datetime(2024, 1, 1, tzinfo=UTC)

Trade = dict[str, Any]


def make_trade(
    pair: str = "BTC/USDT",
    opened: datetime = START,
    hours: int = 24,
    amount: float = 1.0,
    open_rate: float = 100.0,
    close_rate: float = 110.0,
    is_short: bool = False,
    fee: float = FEE,
) -> Trade:
    """One closed trade as `trade_list_to_dataframe` gives it."""
    closed = opened + timedelta(hours=hours)
    side = -1 if is_short else 1
    profit = side * amount * (close_rate - open_rate) - amount * fee * (open_rate + close_rate)
    return {
        "pair": pair,
        "stake_amount": amount * open_rate,
        "max_stake_amount": amount * open_rate,
        "amount": amount,
        "open_date": pd.Timestamp(opened),
        "close_date": pd.Timestamp(closed),
        "open_rate": open_rate,
        "close_rate": close_rate,
        "fee_open": fee,
        "fee_close": fee,
        "trade_duration": hours * 60,
        "profit_ratio": profit / (amount * open_rate),
        "profit_abs": profit,
        "exit_reason": "exit_signal",
        "initial_stop_loss_abs": open_rate * 0.9,
        "initial_stop_loss_ratio": -0.1,
        "stop_loss_abs": open_rate * 0.9,
        "stop_loss_ratio": -0.1,
        "min_rate": min(open_rate, close_rate),
        "max_rate": max(open_rate, close_rate),
        "is_open": False,
        "enter_tag": "agents",
        "leverage": 1.0,
        "is_short": is_short,
        "open_timestamp": int(opened.timestamp() * 1000),
        "close_timestamp": int(closed.timestamp() * 1000),
        "orders": [
            _order(opened, amount, open_rate, "sell" if is_short else "buy", is_entry=True),
            _order(closed, amount, close_rate, "buy" if is_short else "sell", is_entry=False),
        ],
        "funding_fees": 0.0,
    }


def _order(at: datetime, amount: float, price: float, side: str, is_entry: bool) -> dict[str, Any]:
    return {
        "amount": amount,
        "safe_price": price,
        "ft_order_side": side,
        "order_filled_timestamp": int(at.timestamp() * 1000),
        "ft_is_entry": is_entry,
        "ft_order_tag": None,
        "cost": amount * price,
    }


def make_candles(closes: Sequence[float], start: datetime = START, hours: int = 1) -> pd.DataFrame:
    """Candles whose open is the last close."""
    close = np.asarray(closes, dtype=float)
    opens = np.concatenate([close[:1], close[:-1]])
    return pd.DataFrame(
        {
            "date": pd.date_range(start, periods=len(close), freq=f"{hours}h").as_unit("ms"),
            "open": opens,
            "high": np.maximum(opens, close),
            "low": np.minimum(opens, close),
            "close": close,
            "volume": 1.0,
        }
    )


def write_result(
    folder: Path,
    strategies: Mapping[str, Sequence[Trade]],
    days: int = 90,
    pairs: tuple[str, ...] = ("BTC/USDT", "ETH/USDT"),
    config: Mapping[str, Any] | None = None,
    start: datetime = START,
) -> Path:
    """Write a result zip, e.g. `write_result(tmp_path, {"AgentMarketStrategy": [trades]}, days=90)`."""
    full = {
        "exportdirectory": folder,
        "export": "trades",
        "max_open_trades": 3,
        "dry_run_wallet": 1000.0,
        "stake_currency": "USDT",
        "stake_amount": "unlimited",
        "timeframe": "1h",
        "timerange": "",
        "stoploss": -0.1,
        "minimal_roi": {"0": 100},
        "use_exit_signal": True,
        "exit_profit_only": False,
        "exit_profit_offset": 0.0,
        "ignore_roi_if_entry_signal": False,
        "trading_mode": "spot",
        "margin_mode": "",
        "freqaimodel": "AgentEnsemble",
        "freqai": {"identifier": "agent_market-0123456789ab"},
        "original_config": {"exchange": {"name": "binance"}, **(config or {})},
    }
    contents = {
        name: {
            "results": pd.DataFrame.from_records(list(trades), columns=BT_DATA_COLUMNS),
            "config": full,
            "locks": [],
            "rejected_signals": 0,
            "timedout_entry_orders": 0,
            "timedout_exit_orders": 0,
            "canceled_trade_entries": 0,
            "canceled_entry_orders": 0,
            "replaced_entry_orders": 0,
            "final_balance": 1000.0 + sum(t["profit_abs"] for t in trades),
            "backtest_start_time": 1,
            "backtest_end_time": 2,
            "run_id": name,
        }
        for name, trades in strategies.items()
    }
    data = {pair: make_candles([100.0] * 48, start) for pair in pairs}
    stats = generate_backtest_stats(data, contents, start, start + timedelta(days=days))
    return store_backtest_results(full, stats, "2024-06-01_00-00-00")
