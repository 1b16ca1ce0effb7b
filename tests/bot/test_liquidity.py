"""Poor liquidity on a real bot: a large order comes in parts, and a wide market is tried again."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from freqtrade.persistence import PairLocks, Trade

from agent_market.risk.orders import Liquidity
from tests.helpers.dry_bot import dry_bot

pytestmark = pytest.mark.slow


def test_a_large_order_is_split_and_its_parts_add_up_to_what_was_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with dry_bot(tmp_path, {"stake_amount": 1_000, "max_open_trades": 1}) as dry:
        monkeypatch.setattr(dry.attachment.desk.market, "liquidity", lambda *_: Liquidity(candle_value=400.0))
        assert dry.strategy.position_adjustment_enable is False
        for _ in range(6):
            dry.process()
        (trade,) = Trade.get_open_trades()
        parts = [order.notional for order in dry.orders if order.pair == trade.pair]
        assert len(parts) == 3
        assert parts[:2] == pytest.approx([400.0, 400.0], rel=0.01)
        assert sum(parts) == pytest.approx(1_000.0, rel=0.01)


def test_parts_of_a_split_order_do_not_switch_on_what_the_trader_left_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = """
    def adjust_trade_position(self, trade, **kwargs):
        return 50.0
"""
    with dry_bot(tmp_path, {"stake_amount": 1_000, "max_open_trades": 1}, body) as dry:
        monkeypatch.setattr(dry.attachment.desk.market, "liquidity", lambda *_: Liquidity(candle_value=400.0))
        for _ in range(6):
            dry.process()
        parts = [order.notional for order in dry.orders]
        assert parts == pytest.approx([400.0, 400.0, 200.0], rel=0.01)


def test_a_wide_market_is_tried_again_and_then_the_pair_is_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with dry_bot(tmp_path, {"max_open_trades": 1}) as dry:
        desk = dry.attachment.desk
        monkeypatch.setattr(desk.market, "liquidity", lambda *_: Liquidity(spread=0.5))
        dry.process()
        assert not dry.orders
        assert not PairLocks.is_pair_locked("BTC/USDT"), "within its window"
        monkeypatch.setattr(
            "agent_market.bot.gate.entry_gate.timedelta", lambda minutes: timedelta(seconds=-1)
        )
        dry.process()
        assert PairLocks.is_pair_locked("BTC/USDT")
        PairLocks.unlock_pair("BTC/USDT")
        monkeypatch.setattr(desk.market, "liquidity", lambda *_: Liquidity(spread=0.0001))
        dry.process()
        assert [order.pair for order in dry.orders] == ["BTC/USDT"]


def test_an_exchange_that_shows_no_book_gets_no_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with dry_bot(tmp_path) as dry:

        def silent(pair: str, levels: int) -> dict[str, list[list[float]]]:
            return {"bids": [], "asks": []}

        monkeypatch.setattr(dry.strategy.dp, "orderbook", silent)
        dry.process()
        assert not dry.orders
