"""What jobs rely on in freqtrade: its trades as a file, and where FreqAI saves."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from freqtrade.constants import DEFAULT_DB_DRYRUN_URL, DEFAULT_DB_PROD_URL
from freqtrade.freqai.data_drawer import FreqaiDataDrawer
from freqtrade.persistence import Order, Trade, init_db

from agent_market.freqai.patches.atomic_saves import SAVED
from agent_market.jobs.freqtrade_db import FreqtradeTrades

CLOSED = datetime(2024, 1, 2, 3, 4, 5, 678, tzinfo=UTC)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    file = tmp_path / "trades.sqlite"
    init_db(f"sqlite:///{file}")
    yield file
    Trade.session.remove()


def a_trade(pair: str, closed: datetime | None) -> Trade:
    trade = Trade(
        pair=pair,
        stake_amount=100.0,
        amount=1.0,
        open_rate=100.0,
        fee_open=0.001,
        fee_close=0.001,
        exchange="binance",
        is_open=closed is None,
        open_date=CLOSED - timedelta(hours=1),
        close_date=closed,
        close_profit=None if closed is None else 0.02,
        close_profit_abs=None if closed is None else 2.0,
    )
    trade.orders.append(
        Order(
            order_id=pair,
            ft_pair=pair,
            ft_order_side="buy",
            ft_is_open=False,
            ft_amount=1.0,
            ft_price=100.0,
            filled=1.0,
            order_date=CLOSED - timedelta(hours=1),
        )
    )
    return trade


def test_closed_trades_can_be_read_from_freqtrades_own_file(file: Path) -> None:
    for trade in (a_trade("BTC/USDT", CLOSED), a_trade("ETH/USDT", None)):
        Trade.session.add(trade)
    Trade.commit()
    (batch,) = FreqtradeTrades(f"sqlite:///{file}", True).changed(set())
    (found,) = (each.trade for each in batch if each.trade.closed_at)
    assert (found.pair, found.ratio, found.profit) == ("BTC/USDT", 0.02, 2.0)
    assert found.closed_at == CLOSED.replace(microsecond=0)


def test_a_bot_without_db_url_keeps_its_trades_here() -> None:
    assert DEFAULT_DB_DRYRUN_URL == "sqlite:///tradesv3.dryrun.sqlite"
    assert DEFAULT_DB_PROD_URL == "sqlite:///tradesv3.sqlite"


@pytest.mark.parametrize(("method", "attribute"), sorted(SAVED.items()))
def test_freqai_saves_where_this_attribute_says(method: str, attribute: str) -> None:
    source = inspect.getsource(getattr(FreqaiDataDrawer, method))
    assert f"self.{attribute}.open(" in source
