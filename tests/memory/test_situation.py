from __future__ import annotations

from dataclasses import replace

from agent_market.memory.state_text import situation
from tests.helpers.episode_makers import a_view


def test_only_what_stands_out_is_said() -> None:
    ordinary = {"trend": 0.2, "rsi_14": 0.5, "volatility_percentile": 0.5, "drawdown": 0.05, "volume_z": 0.1}
    assert situation(a_view(1, features=ordinary)) == "chop calm"
    loud = {"trend": -1.5, "rsi_14": 0.2, "volatility_percentile": 0.9, "drawdown": 0.2, "volume_z": 3.0}
    view = replace(a_view(1, features=loud), regime="down-wild", context={"fear_greed": 10.0})
    assert situation(view) == (
        "down wild, downtrend trend down, rsi low oversold, high volatility wild, deep drawdown, "
        "volume spike, extreme fear"
    )


def test_what_is_absent_says_nothing() -> None:
    assert situation(a_view(1, features={})) == "chop calm"
