"""A scripted strategy through freqtrade's own `Backtesting`, to compare accounts with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from freqtrade.configuration import Configuration
from freqtrade.enums import RunMode
from freqtrade.exchange import timeframe_to_seconds
from freqtrade.optimize.backtesting import Backtesting
from freqtrade.persistence import LocalTrade

from tests.helpers.workspace import Workspace

HOUR = 3600


CANDLES = 250


BALANCE = 1_000_000.0


EXACT = 1e-9


STRATEGY = '''
from freqtrade.strategy import IStrategy


class Scripted(IStrategy):
    """Trades what `script` says, and nothing else."""

    INTERFACE_VERSION = 3
    timeframe = "1h"
    can_short = SHORT
    minimal_roi = {"0": 1000}
    stoploss = -0.99
    position_adjustment_enable = True
    script = None

    def populate_indicators(self, dataframe, metadata):
        return dataframe

    def populate_entry_trend(self, dataframe, metadata):
        return dataframe

    def populate_exit_trend(self, dataframe, metadata):
        for name, values in self.script.signals.items():
            dataframe[name] = values
        return dataframe

    def leverage(self, **kwargs):
        return self.script.leverage

    def custom_stake_amount(self, current_time, current_rate, proposed_stake, leverage, **kwargs):
        amount = self.script.entries.get(current_time)
        return proposed_stake if amount is None else amount * current_rate / leverage

    def adjust_trade_position(self, trade, current_time, current_rate, **kwargs):
        amount = self.script.changes.get(current_time)
        if amount is None:
            return None
        if amount > 0:
            return amount * current_rate / trade.leverage
        return amount * trade.stake_amount / trade.amount
'''


@dataclass(frozen=True)
class Script:
    """Orders for the scripted strategy; amounts are unsigned for entries, signed by growth for changes."""

    signals: dict[str, np.ndarray]
    entries: dict[Any, float]
    changes: dict[Any, float]
    leverage: float


@dataclass(frozen=True)
class Played:
    """What the environment did: (row, amount) of its fills, and its balance at each row where it was flat."""

    fills: list[tuple[int, float]]
    flat: dict[int, float]
    balance: float


@dataclass(frozen=True)
class Desk:
    """Freqtrade's backtest of one pair."""

    backtesting: Backtesting
    pair: str
    futures: bool

    @property
    def amount_step(self) -> float:
        return float(self.backtesting.exchange.get_precision_amount(self.pair) or 0.0)

    def run(self, candles: pd.DataFrame, events: pd.DataFrame, script: Script) -> dict[str, Any]:
        backtesting = self.backtesting
        backtesting.strategylist[0].script = script
        if self.futures:
            exchange = backtesting.exchange
            backtesting.funding_fee_timeframe_secs = timeframe_to_seconds(
                exchange.get_option("funding_fee_timeframe")
            )
            rates = events[["date", "rate"]].rename(columns={"rate": "funding_rate"})
            marks = events[["date", "mark"]].rename(columns={"mark": "open"})
            backtesting.futures_data[self.pair] = exchange.combine_funding_and_mark(rates, marks)
        first, last = candles["date"].iloc[0], candles["date"].iloc[-1]
        return dict(
            backtesting.backtest({self.pair: candles.copy()}, first.to_pydatetime(), last.to_pydatetime())
        )


def desk(folder: Path, endpoints: dict[str, Any], futures: bool, strategy: str = STRATEGY) -> Desk:
    user_data = folder / "user_data"
    (user_data / "strategies").mkdir(parents=True)
    (user_data / "data").mkdir()
    (user_data / "strategies" / "scripted.py").write_text(strategy.replace("SHORT", str(futures)))
    pair = "BTC/USDT:USDT" if futures else "BTC/USDT"
    mode = {"trading_mode": "futures", "margin_mode": "isolated"} if futures else {}
    file = Workspace(user_data, endpoints).config(
        {
            **mode,
            "exchange": {"pair_whitelist": [pair]},
            "freqai": {"enabled": False},
            "max_open_trades": 1,
            "dry_run_wallet": BALANCE,
            "tradable_balance_ratio": 1.0,
        }
    )
    arguments = {"config": [str(file)], "user_data_dir": str(user_data), "strategy": "Scripted"}
    config = Configuration(arguments, RunMode.BACKTEST).get_config()
    backtesting = Backtesting(config)
    backtesting._set_strategy(backtesting.strategylist[0])
    return Desk(backtesting, pair, futures)


def freqtrade_fills(candles: pd.DataFrame) -> list[tuple[int, float, float]]:
    """(row, amount, rate) of every order of every trade, in order of time; buys are positive."""
    row_of = {when: row for row, when in enumerate(candles["date"])}
    found = [
        (
            row_of[pd.Timestamp(o.order_filled_date)],
            o.filled if o.ft_order_side == "buy" else -o.filled,
            o.price,
        )
        for trade in sorted(LocalTrade.bt_trades, key=lambda t: t.id)
        for o in trade.orders
    ]
    return found
