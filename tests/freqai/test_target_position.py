"""The default strategy's position: entered, resized and left by depth, over a made-up account and candles."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from freqtrade.enums import RunMode
from freqtrade.persistence import LocalTrade, Trade

from agent_market.strategy.strategy import DECIDED, NO_TRADE, TARGET_SHARE, AgentMarketStrategyBase

START = datetime(2024, 1, 1, tzinfo=UTC)
ROWS = 300
NOW = START + timedelta(hours=ROWS)


def frame(depth: list[float], volatility: float = 0.4) -> pd.DataFrame:
    """Candles whose last rows carry these decisions of one agent, one a row; 0 before them."""
    close = 100.0 * np.exp(np.cumsum(np.random.default_rng(5).normal(0, 0.001, ROWS)))
    made = pd.DataFrame({"date": pd.date_range(START, periods=ROWS, freq="h"), "close": close})
    made["open"], made["high"], made["low"], made["volume"] = close, close, close, 1e9
    depths = np.zeros(ROWS)
    depths[-len(depth) :] = depth
    spoken = np.arange(ROWS) >= ROWS - len(depth)
    made["depth_quant"], made["weight_quant"] = depths, spoken.astype(float)
    made["decision_time"] = np.where(spoken, 1.7e9 + 3600.0 * np.arange(ROWS), 0.0)
    made["decision_age"], made["do_predict"] = 0.0, 1
    made["risk_scale_long"] = made["risk_scale_short"] = 1.0
    made["rule-annual_volatility"] = volatility
    return made


def strategy_of(tmp_path: Path, **settings: Any) -> Any:
    config: dict[str, Any] = {
        "runmode": RunMode.BACKTEST,
        "user_data_dir": str(tmp_path),
        "datadir": str(tmp_path),
        "stake_currency": "USDT",
        "stake_amount": "unlimited",
        "tradable_balance_ratio": 1.0,
        "exchange": {"pair_whitelist": ["A/USDT", "B/USDT", "C/USDT", "D/USDT"]},
        "freqai": {"enabled": False},
        "agent_market": settings,
    }
    made: Any = AgentMarketStrategyBase(config)
    made.max_open_trades = 10
    made.frames = {}
    made.dp = SimpleNamespace(
        current_whitelist=lambda: config["exchange"]["pair_whitelist"],
        get_analyzed_dataframe=lambda pair, _: (made.frames.get(pair, pd.DataFrame()), START),
    )
    made.wallets = SimpleNamespace(get_free=lambda _: 10_000.0)
    made.bot_start()
    return made


@pytest.fixture
def strategy(tmp_path: Path) -> Iterator[Any]:
    LocalTrade.reset_trades()
    Trade.use_db = False
    yield strategy_of(tmp_path)
    Trade.use_db = True


def populated(strategy: Any, made: pd.DataFrame) -> pd.DataFrame:
    made = strategy.populate_entry_trend(made, {"pair": "A/USDT"})
    made = strategy.populate_exit_trend(made, {"pair": "A/USDT"})
    strategy.frames["A/USDT"] = made
    return made


def flag(made: pd.DataFrame, name: str) -> bool:
    return name in made and made[name].iloc[-1] == 1


@pytest.mark.parametrize("depth", [0.0, -0.4])
def test_a_flat_depth_closes_a_long(strategy: Any, depth: float) -> None:
    assert flag(populated(strategy, frame([5.0, depth])), "exit_long")


def test_an_expired_decision_holds_nothing(strategy: Any) -> None:
    made = frame([5.0, 5.0])
    made.loc[made.index[-1], ["depth_quant", "weight_quant", "decision_time"]] = 0.0
    assert flag(populated(strategy, made), "exit_long")


def test_before_the_agents_have_spoken_a_position_is_kept(strategy: Any) -> None:
    made = frame([0.0])
    made[["weight_quant", "decision_time"]] = 0.0
    assert not flag(populated(strategy, made), "exit_long")


def test_a_buy_of_the_records_is_a_buy_that_can_trade(strategy: Any) -> None:
    hold = strategy.settings.decision.hold_threshold
    assert strategy.entry_threshold.value == hold
    assert flag(populated(strategy, frame([hold])), "enter_long") is (hold / 10.0 > 0.1)
    assert flag(populated(strategy, frame([hold], volatility=0.8)), "enter_long") is False  # 5% of the budget
    assert flag(populated(strategy, frame([1.5])), "enter_long")


def stake(strategy: Any) -> float:
    return strategy.custom_stake_amount(
        pair="A/USDT", current_time=NOW, current_rate=100.0, proposed_stake=2_500.0, min_stake=10.0,
        max_stake=10_000.0, leverage=1.0, entry_tag="", side="long",
    )  # fmt: skip


def test_the_stake_follows_the_depth_and_the_volatility(strategy: Any) -> None:
    populated(strategy, frame([8.0]))
    assert stake(strategy) == pytest.approx(0.8 * 10_000 / 4)
    populated(strategy, frame([4.0]))
    assert stake(strategy) == pytest.approx(0.4 * 10_000 / 4)
    populated(strategy, frame([4.0], volatility=0.8))
    assert stake(strategy) == pytest.approx(0.2 * 10_000 / 4)


def adjusted(strategy: Any, worth: float, bought: float = 80.0) -> Any:
    """What is asked for a position now worth so much."""
    trade = SimpleNamespace(
        pair="A/USDT", amount=worth / 100.0, stake_amount=worth / 100.0 * bought, leverage=1.0, id=1,
        is_short=False, has_open_orders=False, open_date=START, enter_tag="", open_rate=bought,
        stop_loss=70.0,
    )  # fmt: skip
    return strategy.adjust_trade_position(
        trade=trade, current_time=NOW, current_rate=100.0, current_profit=0.0, min_stake=10.0,
        max_stake=10_000.0, current_entry_rate=100.0, current_exit_rate=100.0, current_entry_profit=0.0,
        current_exit_profit=0.0,
    )  # fmt: skip


def test_a_position_is_brought_to_its_target_beyond_the_no_trade_zone_alone(strategy: Any) -> None:
    populated(strategy, frame([4.0]))  # 0.4 of 2,500
    assert adjusted(strategy, 1_000.0 * 1.05) is None
    strategy._resized.clear()
    more, _ = adjusted(strategy, 500.0)
    assert more == pytest.approx(500.0)
    strategy._resized.clear()
    less, _ = adjusted(strategy, 2_000.0)
    # Half of it is sold: freqtrade takes the share of the stake, which was 80% of the worth.
    assert less == pytest.approx(-800.0)


def test_one_decision_is_carried_out_once(strategy: Any) -> None:
    populated(strategy, frame([4.0]))
    assert adjusted(strategy, 500.0) is not None
    assert adjusted(strategy, 500.0) is None


def test_between_decisions_nothing_is_traded(strategy: Any) -> None:
    made = frame([4.0])
    made["decision_age"] = 3.0
    made = populated(strategy, made)
    assert made[DECIDED].iloc[-1] == 0.0
    assert not flag(made, "enter_long")
    assert adjusted(strategy, 500.0) is None


def test_the_target_columns_are_those_of_the_pure_arithmetic(strategy: Any) -> None:
    made = populated(strategy, frame([4.0, -3.0]))
    assert made[TARGET_SHARE].iloc[-2:].tolist() == [0.4, 0.0]
    assert made[NO_TRADE].iloc[-1] == 0.1


def test_a_threshold_strategy_still_stakes_all_of_it(tmp_path: Path) -> None:
    LocalTrade.reset_trades()
    Trade.use_db = False
    made = strategy_of(tmp_path, sizing={"mode": "threshold"})
    try:
        assert flag(populated(made, frame([4.0])), "enter_long")
        assert stake(made) == pytest.approx(2_500.0)
        assert adjusted(made, 500.0) is None
    finally:
        Trade.use_db = True
