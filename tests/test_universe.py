"""The pair list is resolved once, as freqtrade resolves it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from freqtrade.data.history import get_datahandler
from freqtrade.enums import CandleType, RunMode
from freqtrade.plugins.pairlistmanager import PairListManager

from agent_market.errors import ConfigError
from agent_market.universe import named_pairs, universe_of

MARKETS = ("BTC/USDT", "ETH/USDT", "SOL/USDT", "BTC/EUR", "BTCUP/USDT", "XRP/USDT")


def config(whitelist: list[str], blacklist: list[str] | None = None, **more: Any) -> dict[str, Any]:
    exchange = {"name": "binance", "pair_whitelist": whitelist, "pair_blacklist": blacklist or []}
    return {"exchange": exchange, "stake_currency": "USDT", "timeframe": "1h", **more}


@pytest.mark.parametrize(
    ("whitelist", "blacklist"),
    [
        (["BTC/USDT", "ETH/USDT"], []),
        (["(BTC|ETH)/USDT"], []),
        ([".*/USDT"], ["BTCUP/.*"]),
        (["ETH/USDT", ".*/USDT"], []),
        (["(btc|eth)/usdt"], []),
        ([".*/USDT"], [".*UP/USDT", "XRP/USDT"]),
    ],
)
def test_it_is_the_list_that_freqtrade_itself_makes(whitelist: list[str], blacklist: list[str]) -> None:
    settings = config(whitelist, blacklist, pairlists=[{"method": "StaticPairList", "allow_inactive": True}])
    settings |= {"runmode": RunMode.BACKTEST}
    exchange = SimpleNamespace(get_markets=lambda: dict.fromkeys(MARKETS), name="binance")
    manager = PairListManager(exchange, settings)
    manager.refresh_pairlist()
    assert universe_of(settings, MARKETS) == tuple(dict.fromkeys(manager.whitelist))


def test_without_an_exchange_the_pairs_with_candles_on_disk_are_its_markets(tmp_path: Path) -> None:
    frame = pd.DataFrame({"date": pd.date_range("2024-01-01", periods=2, freq="h", tz="UTC")})
    for column in ("open", "high", "low", "close", "volume"):
        frame[column] = 1.0
    for pair in ("BTC/USDT", "SOL/USDT"):
        get_datahandler(tmp_path, "feather").ohlcv_store(pair, "1h", frame, CandleType.SPOT)
    assert universe_of(config(["(BTC|ETH|SOL)/USDT"], datadir=tmp_path)) == ("BTC/USDT", "SOL/USDT")
    assert universe_of(config(["ETH/USDT"], datadir=tmp_path)) == ("ETH/USDT",), "a name needs no market"


def test_a_list_that_another_method_makes_may_be_any_pair_in_the_stake_currency() -> None:
    settings = config([], ["XRP/.*"], pairlists=[{"method": "VolumePairList"}])
    assert universe_of(settings, MARKETS) == ("BTC/USDT", "ETH/USDT", "SOL/USDT", "BTCUP/USDT")


def test_a_broken_pattern_is_named_with_what_is_meant() -> None:
    with pytest.raises(ConfigError, match=r"\*/USDT.*write `\.\*/USDT`"):
        universe_of(config(["*/USDT"]), MARKETS)


def test_who_downloads_first_needs_names_and_says_so() -> None:
    assert named_pairs(config(["BTC/USDT", "ETH/USDT:USDT"], ["BTC/.*"])) == ("ETH/USDT:USDT",)
    with pytest.raises(ConfigError, match=r"pattern '\.\*/USDT'"):
        named_pairs(config([".*/USDT"]))
