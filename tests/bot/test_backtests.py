"""The callbacks as the gate of a backtest: the desk over a made-up account and candles."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cloudpickle
import numpy as np
import pandas as pd
import pytest
from freqtrade.enums import RunMode
from freqtrade.persistence import LocalTrade, Trade

from agent_market.bot.attach import attach
from agent_market.bot.gate.splits import let_parts_follow
from agent_market.strategy.guarded import GuardedStrategy

HOUR = timedelta(hours=1)
START = datetime(2024, 1, 1, tzinfo=UTC)


class Wild(GuardedStrategy):
    """A user's strategy that asks for far too much, and fails where it can."""

    timeframe = "1h"
    stoploss = -0.10
    fails = False

    def populate_indicators(self, dataframe: pd.DataFrame, metadata: dict[str, Any]) -> pd.DataFrame:
        return dataframe

    def populate_entry_trend(self, dataframe: pd.DataFrame, metadata: dict[str, Any]) -> pd.DataFrame:
        return self.add_risk_columns(dataframe)

    def leverage(self, **kwargs: Any) -> float:
        return 50.0 if not self.fails else 1 / 0

    def custom_stake_amount(self, **kwargs: Any) -> float:
        return 1e9 if not self.fails else 1 / 0

    def confirm_trade_entry(self, **kwargs: Any) -> bool:
        return True if not self.fails else bool(1 / 0)

    def adjust_trade_position(self, **kwargs: Any) -> float:
        return 9_000.0 if not self.fails else 1 / 0


def candles(last: float = 100.0, fall: float = 0.0) -> pd.DataFrame:
    close = 100.0 * np.exp(np.cumsum(np.random.default_rng(5).normal(0, 0.003, 300)))
    frame = pd.DataFrame({"date": pd.date_range(START, periods=300, freq="h"), "close": close})
    frame["open"], frame["high"], frame["low"] = close, close * 1.002, close * 0.998
    frame["volume"] = 1e6
    if fall:
        frame.loc[frame.index[-1], ["low", "close"]] *= 1 - fall
    return frame


@pytest.fixture
def strategy(tmp_path: Path) -> Wild:
    LocalTrade.reset_trades()
    Trade.use_db = False
    config: dict[str, Any] = {
        "runmode": RunMode.BACKTEST,
        "user_data_dir": str(tmp_path),
        "stake_currency": "USDT",
        "agent_market": {"risk": {"stop": {"rule": "atr"}}},
    }
    made = Wild(config)
    made.frames = {"A/USDT": candles(), "B/USDT": candles()}  # type: ignore[attr-defined]
    made.dp = SimpleNamespace(  # type: ignore[assignment]
        current_whitelist=lambda: list(made.frames),  # type: ignore[attr-defined]
        get_analyzed_dataframe=lambda pair, _: (made.frames[pair], START),  # type: ignore[attr-defined]
    )
    made.wallets = SimpleNamespace(get_free=lambda _: 10_000.0)  # type: ignore[assignment]
    made.bot_start()
    yield made
    Trade.use_db = True


NOW = START + 300 * HOUR


def stake(strategy: Wild, now: datetime = NOW) -> float:
    return strategy.custom_stake_amount(
        pair="A/USDT",
        current_time=now,
        current_rate=100.0,
        proposed_stake=1_000.0,
        min_stake=10.0,
        max_stake=10_000.0,
        leverage=1.0,
        entry_tag="agents +3.0 A/USDT@2024-01-05T12:00Z",
        side="long",
    )


def confirmed(strategy: Wild) -> bool:
    return strategy.confirm_trade_entry(
        pair="A/USDT", order_type="limit", amount=1.0, rate=1.0, time_in_force="GTC",
        current_time=NOW, entry_tag="", side="long",
    )  # fmt: skip


def test_where_freqtrade_only_draws_a_chart_there_is_no_account_to_look_at(
    strategy: Wild, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Trade, "use_db", True)  # plot-dataframe opens no database of trades
    monkeypatch.delattr(Trade, "session", raising=False)
    strategy.wallets = None
    strategy.bot_loop_start(current_time=NOW)
    assert strategy.attachment.bus.recent() == ()


def test_what_a_users_callback_asks_for_is_cut_to_the_limits(strategy: Wild) -> None:
    assert strategy.leverage(pair="A/USDT", max_leverage=125.0) == 1.5
    allowed = stake(strategy)
    assert 0.0 < allowed <= 3_000.0
    (line,) = strategy.attachment.journal.recent()
    assert line["decision"] == "A/USDT@2024-01-05T12:00Z"
    assert "symbol_notional" in [clamp["limit"] for clamp in line["clamps"]]


def test_a_users_callback_that_raises_orders_nothing(strategy: Wild) -> None:
    strategy.fails = True
    assert strategy.leverage(pair="A/USDT", max_leverage=125.0) == 1.0
    assert stake(strategy) == 0.0
    assert confirmed(strategy) is False
    assert strategy.adjust_trade_position(trade=None) is None
    assert {a.topic for a in strategy.attachment.bus.recent()} == {"fault"}


def test_an_adjustment_that_the_trader_left_off_stays_off_when_parts_follow(strategy: Wild) -> None:
    let_parts_follow(strategy)
    assert strategy.position_adjustment_enable is True
    trade = SimpleNamespace(pair="A/USDT", enter_tag="", has_open_orders=False)
    assert (
        strategy.adjust_trade_position(trade=trade, current_time=NOW, current_rate=1.0, min_stake=5.0) is None
    )
    assert not strategy.attachment.bus.recent(), "nothing failed: it was not asked"


def test_a_crash_freezes_entries_in_a_backtest_for_its_cooldown(strategy: Wild) -> None:
    assert stake(strategy) > 0.0
    strategy.frames["B/USDT"] = candles(fall=0.2)  # type: ignore[attr-defined]
    assert stake(strategy, NOW + HOUR) == 0.0
    assert confirmed(strategy) is False
    strategy.frames["B/USDT"] = candles()  # type: ignore[attr-defined]
    assert stake(strategy, NOW + 3 * HOUR) > 0.0


def test_a_crash_between_two_entries_is_seen_by_the_later_one(tmp_path: Path, strategy: Wild) -> None:
    """The cool-down of 60 minutes is 12 candles of 5m: what happened within it counts, looked at or not."""
    strategy.desk.market.timeframe_s = 300
    frame = candles()
    frame.loc[frame.index[-4], ["low", "close"]] *= 0.8
    strategy.frames["B/USDT"] = frame  # type: ignore[attr-defined]
    assert stake(strategy) == 0.0
    assert "flash_crash" in strategy.desk.breaker.state.reason


def test_an_epoch_of_hyperopt_starts_with_nothing_of_the_one_before(strategy: Wild) -> None:
    strategy.bot_loop_start(NOW)
    first = stake(strategy)
    frames = strategy.frames  # type: ignore[attr-defined]
    strategy.frames = {**frames, "B/USDT": candles(fall=0.2)}  # type: ignore[attr-defined]
    strategy.bot_loop_start(NOW + HOUR)
    assert stake(strategy, NOW + HOUR) == 0.0
    strategy.frames = frames  # type: ignore[attr-defined]
    strategy.bot_loop_start(NOW)
    assert stake(strategy) == first


def test_a_copy_for_a_worker_of_hyperopt_leaves_locks_behind_and_sets_up_its_own_desk(strategy: Wild) -> None:
    copied = cloudpickle.loads(cloudpickle.dumps(strategy))
    assert copied.desk is not strategy.desk
    assert 0.0 < stake(copied) <= 3_000.0


def test_the_atr_stop_comes_from_the_newest_candle(strategy: Wild) -> None:
    frame = strategy.populate_entry_trend(strategy.frames["A/USDT"], {})  # type: ignore[attr-defined]
    atr = frame["risk_atr"].iloc[-1]
    trade = SimpleNamespace(is_short=False, leverage=1.0)
    stop = strategy.custom_stoploss("A/USDT", trade, NOW, 100.0, 0.0, False)
    assert strategy.use_custom_stoploss
    assert stop == pytest.approx(max(3 * atr / 100.0, 0.02))
    assert strategy.custom_stoploss("B/USDT", trade, NOW, 100.0, 0.0, False) is None, "no column, no change"


def test_a_backtest_starts_no_thread_and_touches_no_file_of_the_bot(strategy: Wild, tmp_path: Path) -> None:
    assert not attach(strategy).live
    assert not (tmp_path / "agent_market" / "breaker.json").exists()
    assert not (tmp_path / "agent_market" / "day.json").exists()
