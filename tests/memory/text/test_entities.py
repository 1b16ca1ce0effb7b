from __future__ import annotations

from agent_market.memory.text.entities import entities


def test_pairs_assets_indicators_events_and_regimes_are_found() -> None:
    text = "BTC/USDT fell after the FOMC while rsi_14 and open interest were high and bitcoin was down-wild"
    assert entities(text) == {
        "pair:BTC/USDT", "asset:BTC", "asset:USDT", "event:fomc", "indicator:rsi_14",
        "indicator:open_interest", "regime:down-wild",
    }  # fmt: skip


def test_words_that_are_tickers_elsewhere_are_no_assets() -> None:
    assert entities("the link between the dots is near the flow") == frozenset()


def test_the_longest_name_wins() -> None:
    assert entities("a flash crash came") == {"event:crash"}
    assert "event:etf" in entities("the spot ETF was approved")
