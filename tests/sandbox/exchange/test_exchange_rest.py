"""The exchange over plain HTTP: what it answers, and that its answers agree with each other."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_market.sandbox.exchange import create_exchange_app
from agent_market.sandbox.faults import FaultRegistry, FlashCrash, MissingCandles, ServerError, StaleCandles
from agent_market.sandbox.market import FeatherSource, LiveMarket, StandingMarket, SyntheticSource
from agent_market.sandbox.market.candles import DAY, HOUR, MINUTE
from agent_market.sandbox.pytest_plugin import SandboxExchange

START = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp() * 1000)
END = START + 60 * DAY
SOURCE = SyntheticSource(7, start=START, end=END)
CLIENT = TestClient(create_exchange_app(StandingMarket(SOURCE)))


def get(path: str, client: TestClient = CLIENT, **params: Any) -> Any:
    response = client.get(path, params=params)
    assert response.status_code == 200, response.text
    return response.json()


def refusal(path: str, **params: Any) -> tuple[int, int, str]:
    response = CLIENT.get(path, params=params)
    return response.status_code, response.json()["code"], response.json()["msg"]


@pytest.mark.parametrize("api", ["/api/v3", "/fapi/v1"])
def test_an_unknown_symbol_interval_or_path_is_refused_as_binance_does(api: str) -> None:
    assert refusal(f"{api}/klines", symbol="NOPEUSDT", interval="1h") == (400, -1121, "Invalid symbol.")
    assert refusal(f"{api}/klines", symbol="BTCUSDT", interval="7h") == (400, -1120, "Invalid interval.")
    assert refusal(f"{api}/depth", symbol="NOPEUSDT")[:2] == (400, -1121)
    assert refusal(f"{api}/klines", interval="1h") == (
        400,
        -1102,
        "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.",
    )
    assert refusal(f"{api}/klines", symbol="BTCUSDT", interval="1h", limit="many")[:2] == (400, -1100)
    assert refusal(f"{api}/order", symbol="BTCUSDT") == (
        404,
        -5000,
        f"Path {api}/order, Method GET is invalid",
    )
    assert refusal("/api/v3/ticker/price", symbols='["BTCUSDT"')[:2] == (400, -1100)


def test_klines_are_the_first_from_a_start_and_the_last_without_one() -> None:
    first = get("/api/v3/klines", symbol="BTCUSDT", interval="1h", startTime=0, limit=3)
    assert [row[0] for row in first] == [START, START + HOUR, START + 2 * HOUR]
    last = get("/api/v3/klines", symbol="BTCUSDT", interval="1h", limit=2)
    assert [row[0] for row in last] == [END - HOUR, END]
    until = get("/api/v3/klines", symbol="BTCUSDT", interval="1h", endTime=START + 5 * HOUR, limit=2)
    assert [row[0] for row in until] == [START + 4 * HOUR, START + 5 * HOUR]
    both = get("/api/v3/klines", symbol="BTCUSDT", interval="1h", startTime=START, endTime=START + HOUR)
    assert [row[0] for row in both] == [START, START + HOUR]
    assert get("/api/v3/klines", symbol="BTCUSDT", interval="1h", startTime=END + DAY) == []


@settings(max_examples=30, deadline=None)
@given(st.integers(-5 * DAY, 70 * DAY), st.integers(1, 200), st.sampled_from(["5m", "1h", "1d"]))
def test_paging_through_klines_gives_the_source(offset: int, limit: int, interval: str) -> None:
    rows = get("/api/v3/klines", symbol="ETHUSDT", interval=interval, startTime=START + offset, limit=limit)
    source = StandingMarket(SOURCE).candles("ETH/USDT", interval, max(START + offset, START), END + DAY)[
        :limit
    ]
    assert [row[0] for row in rows] == source.time.tolist()
    assert [float(row[4]) for row in rows] == source.close.tolist()
    assert [float(row[5]) for row in rows] == source.volume.tolist()
    assert all(len(row) == 12 for row in rows)


def test_klines_reach_over_a_gap_longer_than_the_limit(tmp_path: Path) -> None:
    dates = pd.date_range("2024-01-01", periods=400, freq="1h", tz="UTC").delete(range(50, 350))
    prices = dict.fromkeys(("open", "high", "low", "close", "volume"), 1.5)
    pd.DataFrame({"date": dates, **prices}).to_feather(tmp_path / "BTC_USDT-1h.feather")
    client = TestClient(create_exchange_app(StandingMarket(FeatherSource(tmp_path))))
    after = get(
        "/api/v3/klines", client, symbol="BTCUSDT", interval="1h", startTime=START + 48 * HOUR, limit=4
    )
    assert [(row[0] - START) // HOUR for row in after] == [48, 49, 350, 351]
    before = get(
        "/api/v3/klines", client, symbol="BTCUSDT", interval="1h", endTime=START + 351 * HOUR, limit=4
    )
    assert [(row[0] - START) // HOUR for row in before] == [48, 49, 350, 351]


@pytest.mark.parametrize("api", ["/api/v3", "/fapi/v1"])
def test_the_book_stands_around_the_last_close_in_order(api: str) -> None:
    for symbol in ("BTCUSDT", "XRPUSDT"):
        last = float(get(f"{api}/klines", symbol=symbol, interval="1m", limit=1)[0][4])
        book = get(f"{api}/depth", symbol=symbol, limit=20)
        bids, asks = (np.array(book[side], dtype=float) for side in ("bids", "asks"))
        assert bids.shape == asks.shape == (20, 2)
        assert bids[0, 0] < last < asks[0, 0]
        assert asks[0, 0] / bids[0, 0] - 1 < 0.001
        assert (np.diff(bids[:, 0]) < 0).all()
        assert (np.diff(asks[:, 0]) > 0).all()
        assert (bids > 0).all()
        assert (asks > 0).all()
        best = get(f"{api}/ticker/bookTicker", symbol=symbol)
        assert [best["bidPrice"], best["bidQty"]] == book["bids"][0]
        assert [best["askPrice"], best["askQty"]] == book["asks"][0]
        assert float(get(f"{api}/ticker/price", symbol=symbol)["price"]) == last


def test_a_deeper_book_begins_with_the_same_levels() -> None:
    shallow, deep = (get("/api/v3/depth", symbol="BTCUSDT", limit=limit) for limit in (5, 100))
    assert deep["bids"][:5] == shallow["bids"]
    assert deep["asks"][:5] == shallow["asks"]


def test_the_day_ticker_sums_up_the_last_day() -> None:
    ticker = get("/api/v3/ticker/24hr", symbol="SOLUSDT")
    day = SOURCE.candles("SOL/USDT", "1h", END - DAY, END)
    assert float(ticker["openPrice"]) == day.open[0]
    assert float(ticker["highPrice"]) == day.high.max()
    assert float(ticker["lowPrice"]) == day.low.min()
    assert float(ticker["lastPrice"]) == day.close[-1]
    assert float(ticker["volume"]) == pytest.approx(day.volume.sum())
    assert float(ticker["bidPrice"]) < float(ticker["lastPrice"]) < float(ticker["askPrice"])
    assert len(get("/api/v3/ticker/24hr")) == 5
    assert [row["symbol"] for row in get("/api/v3/ticker/24hr", symbols='["XRPUSDT"]')] == ["XRPUSDT"]
    assert "bidPrice" not in get("/fapi/v1/ticker/24hr", symbol="SOLUSDT")


def test_trades_make_up_their_candle() -> None:
    opened = END - 3 * MINUTE
    span = {"startTime": opened, "endTime": opened + MINUTE - 1}
    trades = get("/api/v3/aggTrades", symbol="BTCUSDT", **span)
    price = [float(trade["p"]) for trade in trades]
    candle = SOURCE.candles("BTC/USDT", "1m", opened, opened + 1)
    assert (price[0], price[-1]) == (candle.open[0], candle.close[0])
    assert (max(price), min(price)) == (candle.high[0], candle.low[0])
    assert sum(float(trade["q"]) for trade in trades) == pytest.approx(candle.volume[0], abs=1e-6)


def test_trades_can_be_paged_by_id_without_a_gap_or_a_repeat() -> None:
    latest = get("/api/v3/trades", symbol="BTCUSDT", limit=40)
    ids = [trade["id"] for trade in latest]
    assert ids == list(range(ids[0], ids[0] + 40))
    assert [t["time"] for t in latest] == sorted(t["time"] for t in latest)
    assert latest[-1]["time"] < END
    first = get("/api/v3/aggTrades", symbol="BTCUSDT", fromId=ids[0], limit=17)
    rest = get("/api/v3/historicalTrades", symbol="BTCUSDT", fromId=ids[17])
    assert [t["a"] for t in first] + [t["id"] for t in rest] == ids


def test_futures_list_perpetuals_and_spot_lists_spot() -> None:
    spot = get("/api/v3/exchangeInfo")["symbols"]
    futures = get("/fapi/v1/exchangeInfo")["symbols"]
    assert [s["symbol"] for s in spot] == [s["symbol"] for s in futures]
    assert {s["contractType"] for s in futures} == {"PERPETUAL"}
    assert not any("contractType" in s for s in spot)
    tick = {f["filterType"]: f for f in spot[0]["filters"]}["PRICE_FILTER"]["tickSize"]
    assert float(tick) == 10 ** -SOURCE.price_decimals("BTC/USDT")


def test_funding_is_worked_out_from_the_day_before_and_nothing_later() -> None:
    time = START + 10 * DAY + 8 * HOUR
    row = get("/fapi/v1/fundingRate", symbol="BTCUSDT", startTime=time, limit=1)[0]
    hours = SOURCE.candles("BTC/USDT", "1h", time - 25 * HOUR, time)
    expected = min(max(0.0001 + 0.02 * (hours.close[-1] / hours.close[0] - 1), -0.003), 0.003)
    assert row["fundingTime"] == time
    assert float(row["fundingRate"]) == pytest.approx(expected, abs=1e-8)
    cut = SyntheticSource(7, start=START, end=time)
    client = TestClient(create_exchange_app(StandingMarket(cut)))
    assert get("/fapi/v1/fundingRate", client, symbol="BTCUSDT", startTime=time, limit=1) == [row]


def test_funding_comes_every_eight_hours_and_begins_after_the_first_day() -> None:
    rows = get("/fapi/v1/fundingRate", symbol="BTCUSDT", startTime=START, limit=1000)
    times = [row["fundingTime"] for row in rows]
    assert times == list(range(times[0], END + 1, 8 * HOUR))
    assert START + DAY < times[0] <= START + 2 * DAY
    assert get("/fapi/v1/fundingRate", symbol="BTCUSDT", limit=2) == rows[-2:]
    assert get("/fapi/v1/fundingRate", symbol="BTCUSDT", startTime=END + DAY) == []
    premium = get("/fapi/v1/premiumIndex", symbol="BTCUSDT")
    assert premium["lastFundingRate"] == rows[-1]["fundingRate"]
    assert premium["nextFundingTime"] == END + 8 * HOUR


def test_mark_candles_are_the_candles_without_volume() -> None:
    mark = get("/fapi/v1/markPriceKlines", symbol="BTCUSDT", interval="1h", limit=5)
    traded = get("/fapi/v1/klines", symbol="BTCUSDT", interval="1h", limit=5)
    assert [row[:5] for row in mark] == [row[:5] for row in traded]
    assert {row[5] for row in mark} == {"0"}
    assert get("/fapi/v1/indexPriceKlines", pair="BTCUSDT", interval="1h", limit=5) == mark


def test_maintenance_margin_is_continuous_from_bracket_to_bracket() -> None:
    brackets = get("/fapi/v1/leverageBracket", symbol="BTCUSDT")[0]["brackets"]
    for lower, upper in pairwise(brackets):
        at = upper["notionalFloor"]
        margins = [at * b["maintMarginRatio"] - b["cum"] for b in (lower, upper)]
        assert margins[0] == pytest.approx(margins[1])


def test_requests_are_counted_by_path(sandbox_exchange: SandboxExchange) -> None:
    with httpx.Client(base_url=sandbox_exchange.url) as client:
        for _ in range(3):
            client.get("/api/v3/ping")
        client.get("/api/v3/nothing")
        assert client.get("/admin/requests").json() == {"/api/v3/ping": 3, "/api/v3/nothing": 1}
    assert sandbox_exchange.requests.by_path()["/api/v3/ping"] == 3


def test_faults_of_the_market_show_and_go_away() -> None:
    now = START + 20 * DAY
    clock = [now]
    market = LiveMarket(SyntheticSource(7, start=START), clock=lambda: clock[0])
    board = FaultRegistry(clock=lambda: clock[0] / 1000)
    client = TestClient(create_exchange_app(market, board))

    def last() -> list[Any]:
        return get("/api/v3/klines", client, symbol="BTCUSDT", interval="1m", limit=1)[0]

    sound = last()
    board.add(StaleCandles(seconds=600))
    assert last()[0] == sound[0] - 600_000
    board.set([FlashCrash(depth=0.5)])
    clock[0] += 30_000
    crashed = float(last()[4])
    assert crashed == pytest.approx(float(sound[4]) * 0.5, rel=0.02)
    book = get("/api/v3/depth", client, symbol="BTCUSDT", limit=5)
    assert float(book["bids"][0][0]) < crashed < float(book["asks"][0][0])
    board.set([MissingCandles(share=1.0)])
    refused = client.get("/api/v3/depth", params={"symbol": "BTCUSDT"})
    assert (refused.status_code, refused.json()["code"]) == (503, -1000)
    board.set([ServerError()])
    assert client.get("/api/v3/ping").status_code == 500
    assert client.delete("/admin/faults").status_code == 200
    assert float(last()[4]) == pytest.approx(float(sound[4]), rel=0.02)
