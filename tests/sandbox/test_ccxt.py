"""The exchange as ccxt sees it, which is how freqtrade sees it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import ccxt
import pytest

from agent_market.sandbox.endpoints import overlay
from agent_market.sandbox.pytest_plugin import SandboxExchange


@pytest.fixture
def spot(sandbox_exchange: SandboxExchange) -> ccxt.binance:
    return ccxt.binance(overlay(sandbox_exchange.url)["exchange"]["ccxt_config"])


@pytest.fixture
def futures(sandbox_exchange: SandboxExchange) -> ccxt.binance:
    config: dict[str, Any] = overlay(sandbox_exchange.url)["exchange"]["ccxt_config"]
    config["options"]["defaultType"] = "swap"
    return ccxt.binance(config)


def test_markets_carry_precision_and_limits(spot: ccxt.binance) -> None:
    markets = spot.load_markets()
    btc, perpetual = markets["BTC/USDT"], markets["BTC/USDT:USDT"]
    assert len(markets) == 10
    assert (btc["spot"], btc["active"], btc["precision"]["price"]) == (True, True, 0.01)
    assert btc["limits"]["cost"]["min"] == 5
    assert (perpetual["swap"], perpetual["linear"], perpetual["settle"]) == (True, True, "USDT")
    assert perpetual["precision"] == btc["precision"]


@pytest.mark.parametrize(("venue", "symbol"), [("spot", "BTC/USDT"), ("futures", "BTC/USDT:USDT")])
def test_prices_agree_wherever_they_are_asked(
    venue: str, symbol: str, request: pytest.FixtureRequest
) -> None:
    exchange = request.getfixturevalue(venue)
    book = exchange.fetch_order_book(symbol, 5)
    last = exchange.fetch_ticker(symbol)["last"]
    best = exchange.fetch_bids_asks([symbol])[symbol]
    assert book["bids"][0][0] == best["bid"] < last < best["ask"] == book["asks"][0][0]
    assert exchange.fetch_last_prices([symbol])[symbol]["price"] == last
    assert exchange.fetch_tickers([symbol])[symbol]["last"] == last
    assert exchange.fetch_ohlcv(symbol, "1h", limit=1)[-1][4] == last
    assert exchange.fetch_trades(symbol, limit=5)[-1]["price"] == last


def test_funding(futures: ccxt.binance) -> None:
    symbol = "ETH/USDT:USDT"
    history = futures.fetch_funding_rate_history(symbol, limit=3)
    assert [b["timestamp"] - a["timestamp"] for a, b in pairwise(history)] == [28_800_000] * 2
    assert futures.fetch_funding_rate(symbol)["fundingRate"] == history[-1]["fundingRate"]
    assert set(futures.fetch_funding_rates()) == {
        f"{c}/USDT:USDT" for c in ("BTC", "ETH", "BNB", "SOL", "XRP")
    }


def test_an_unknown_symbol_is_ccxts_bad_symbol(spot: ccxt.binance) -> None:
    with pytest.raises(ccxt.BadSymbol):
        spot.public_get_klines({"symbol": "NOPEUSDT", "interval": "1h"})
