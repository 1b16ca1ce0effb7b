"""The account that the gate sees, from freqtrade's trades and orders in every state from placed to filled."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from freqtrade.enums import RunMode
from freqtrade.persistence import LocalTrade, Order

from agent_market.bot import account
from agent_market.bot.account import book_of, holding_of
from agent_market.risk.orders import Book

NOW = datetime(2026, 1, 5, tzinfo=UTC)
PRICE = 100.0
START = 10_000.0


def order(side: str, amount: float, filled: float, status: str) -> Order:
    made = Order(
        ft_pair="BTC/USDT",
        ft_order_side=side,
        order_id=f"{side}{amount}{filled}",
        side=side,
        status=status,
        ft_is_open=status == "open",
        ft_amount=amount,
        ft_price=PRICE,
        price=PRICE,
        average=PRICE if filled else None,
        amount=amount,
        filled=filled,
        remaining=amount - filled,
        cost=filled * PRICE,
        order_date=NOW,
    )
    made.funding_fee = made.ft_fee_base = None
    return made


def trade_of(*orders: Order, short: bool = False, leverage: float = 1.0) -> LocalTrade:
    """As freqtrade keeps it: the first order's stake from when it is placed, all else once it is closed."""
    first = orders[0]
    trade = LocalTrade(
        id=1,
        pair="BTC/USDT",
        is_open=True,
        is_short=short,
        leverage=leverage,
        amount=0.0,
        stake_amount=first.amount * PRICE / leverage,
        open_rate=PRICE,
        open_date=NOW,
        fee_open=0.0,
        fee_close=0.0,
        exchange="binance",
    )
    trade.orders = list(orders)
    for made in orders:
        made._trade_bt = trade
    trade.adjust_stop_loss(PRICE, -0.10, initial=True)
    trade.recalc_trade_from_orders()
    return trade


def book(monkeypatch: pytest.MonkeyPatch, mode: RunMode, free: float, *trades: LocalTrade) -> Book:
    monkeypatch.setattr(account, "open_trades", lambda: list(trades))
    strategy = SimpleNamespace(
        config={"runmode": mode, "stake_currency": "USDT"},
        wallets=SimpleNamespace(get_free=lambda currency: free),
        stoploss=-0.10,
    )
    return book_of(strategy, lambda pair: PRICE)


WAITS: Sequence[Any] = (0.0, 1.0, 9.0, 9.999)


@pytest.mark.parametrize("filled", WAITS)
@pytest.mark.parametrize(("short", "leverage"), [(False, 1.0), (True, 1.5)])
def test_an_entry_order_counts_whole_however_much_of_it_is_filled(
    filled: float, short: bool, leverage: float
) -> None:
    side = "sell" if short else "buy"
    trade = trade_of(order(side, 10.0, filled, "open"), short=short, leverage=leverage)
    holding = holding_of(trade, -0.10)
    assert holding.notional == pytest.approx(10.0 * PRICE)
    assert holding.loss_at_stop == pytest.approx(10.0 * PRICE * 0.10 / leverage)


@pytest.mark.parametrize("filled", WAITS)
def test_an_added_order_counts_whole_beside_what_is_held(filled: float) -> None:
    trade = trade_of(order("buy", 5.0, 5.0, "closed"), order("buy", 10.0, filled, "open"))
    assert holding_of(trade, -0.10).notional == pytest.approx(15.0 * PRICE)


@pytest.mark.parametrize("filled", WAITS)
@pytest.mark.parametrize("added", [False, True])
def test_an_order_that_waits_is_no_loss_of_equity(
    monkeypatch: pytest.MonkeyPatch, filled: float, added: bool
) -> None:
    waiting = order("buy", 10.0, filled, "open")
    trade = trade_of(order("buy", 5.0, 5.0, "closed"), waiting) if added else trade_of(waiting)
    bound = (15.0 if added else 10.0) * PRICE
    at_exchange = book(monkeypatch, RunMode.LIVE, START - bound, trade)
    in_dry_run = book(monkeypatch, RunMode.DRY_RUN, START - trade.stake_amount, trade)
    for seen in (at_exchange, in_dry_run):
        assert seen.equity == pytest.approx(START)
        assert seen.free == pytest.approx(START - bound)


def test_between_an_order_and_its_replacement_its_stake_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    trade = trade_of(order("buy", 10.0, 0.0, "canceled"))
    at_exchange = book(monkeypatch, RunMode.LIVE, START, trade)
    in_dry_run = book(monkeypatch, RunMode.DRY_RUN, START - trade.stake_amount, trade)
    for seen in (at_exchange, in_dry_run):
        assert seen.equity == pytest.approx(START)
        assert seen.free == pytest.approx(START)


@pytest.mark.parametrize(("short", "leverage"), [(False, 1.0), (False, 2.0), (True, 2.0)])
def test_what_an_open_exit_has_sold_counts_once(
    monkeypatch: pytest.MonkeyPatch, short: bool, leverage: float
) -> None:
    enters, leaves = ("sell", "buy") if short else ("buy", "sell")
    trade = trade_of(
        order(enters, 10.0, 10.0, "closed"),
        order(leaves, 10.0, 4.0, "open"),
        short=short,
        leverage=leverage,
    )
    back = 4.0 * PRICE / leverage
    seen = book(monkeypatch, RunMode.LIVE, START - 10.0 * PRICE / leverage + back, trade)
    assert seen.equity == pytest.approx(START)
