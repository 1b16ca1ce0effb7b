"""The sheet of orders for a human: what gets on it, what takes it off, and how it reads."""

from __future__ import annotations

import csv
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from freqtrade.exceptions import InvalidOrderException, TemporaryError
from freqtrade.persistence import Trade

from agent_market.bot.alerting.alerts import Alert, AlertBus
from agent_market.bot.manual.manual_orders import CSV, NOTHING, TEXT, ManualOrder, ManualSheet, Position
from agent_market.risk.systemic import Alarm
from agent_market.utils.redaction import Redactor
from tests.helpers.dry_bot import DryBot, dry_bot

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
ENTRY = ManualOrder("BTC/USDT", "buy", "limit", 100.0, 2.5, "TemporaryError: 503", NOW)
HELD = Position("7", "ETH/USDT", "sell", 3.0, 90.0)


def sheet(folder: Path | None, now: datetime = NOW) -> ManualSheet:
    return ManualSheet(folder, AlertBus(), Redactor({"key": "s3cret-key"}), lambda: now)


def alerts(made: ManualSheet) -> tuple[Alert, ...]:
    return made._bus.recent()


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / CSV).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_an_order_that_failed_is_written_for_programs_and_people_and_alerted_once(tmp_path: Path) -> None:
    made = sheet(tmp_path)
    made.failed(ENTRY)
    made.failed(replace(ENTRY, price=101.0))
    (row,) = rows(tmp_path)
    assert (row["pair"], row["side"], row["price"], row["size"]) == ("BTC/USDT", "buy", "101", "2.5")
    assert row["why"] == "TemporaryError: 503"
    text = (tmp_path / TEXT).read_text()
    assert "1. BUY 2.5 BTC/USDT at 101 (a new entry)" in text
    assert "because: TemporaryError: 503" in text
    (alert,) = alerts(made)
    assert (alert.level, alert.topic) == ("critical", "execution")
    assert alert.data["manual"]["pair"] == "BTC/USDT"


def test_of_entries_only_one_is_listed_for_each_was_sized_as_if_it_were_alone(tmp_path: Path) -> None:
    made = sheet(tmp_path)
    made.failed(ENTRY)
    made.failed(replace(ENTRY, pair="ETH/USDT"))
    made.failed(replace(ENTRY, pair="XRP/USDT", side="sell", trade="7"))
    assert [order.pair for order in made.orders] == ["BTC/USDT", "XRP/USDT"]


def test_an_order_that_got_through_after_all_leaves_the_sheet_and_people_are_told(tmp_path: Path) -> None:
    made = sheet(tmp_path)
    made.failed(ENTRY)
    made.placed("BTC/USDT", "sell", "7")
    assert len(made.orders) == 1, "another order"
    made.placed("BTC/USDT", "buy", "")
    assert made.orders == ()
    assert rows(tmp_path) == []
    assert (tmp_path / TEXT).read_text() == NOTHING
    assert "do not place by hand" in alerts(made)[-1].text


def test_a_secret_that_an_error_quotes_is_on_no_sheet(tmp_path: Path) -> None:
    made = sheet(tmp_path)
    made.failed(replace(ENTRY, why="401 for key s3cret-key"))
    for name in (CSV, TEXT):
        assert "401 for key" in (tmp_path / name).read_text()
        assert "s3cret" not in (tmp_path / name).read_text()


def test_a_silent_exchange_lists_the_stops_of_open_trades_until_it_answers(tmp_path: Path) -> None:
    made = sheet(tmp_path)
    made.holds([HELD, Position("8", "XRP/USDT:USDT", "buy", 10.0, 0.55, 1.5)])
    made.exchange_silent(29.9, 30.0)
    assert made.orders == ()
    made.exchange_silent(30.0, 30.0)
    made.exchange_silent(31.0, 30.0)
    assert [(o.pair, o.side, o.type, o.price, o.size) for o in made.orders] == [
        ("ETH/USDT", "sell", "stop", 90.0, 3.0),
        ("XRP/USDT:USDT", "buy", "stop", 0.55, 10.0),
    ]
    text = (tmp_path / TEXT).read_text()
    assert "SELL 3 ETH/USDT once the price reaches 90 (closes trade 7)" in text
    assert "BUY 10 XRP/USDT:USDT once the price reaches 0.55, leverage 1.5 (closes trade 8)" in text
    assert len(alerts(made)) == 1
    made.exchange_silent(0.1, 30.0)
    assert made.orders == ()
    assert "cancel any that you placed" in alerts(made)[-1].text


def test_a_sale_that_failed_is_not_replaced_by_its_stop(tmp_path: Path) -> None:
    made = sheet(tmp_path)
    made.holds([HELD])
    sale = replace(ENTRY, pair="ETH/USDT", side="sell", type="market", trade="7")
    made.failed(sale)
    made.exchange_silent(60.0, 30.0)
    assert made.orders == (sale,)
    made.exchange_silent(0.0, 30.0)
    assert made.orders == (sale,), "it still has to be sold"


def test_rows_go_with_their_trade_and_entries_with_their_moment(tmp_path: Path) -> None:
    made = sheet(tmp_path)
    made.failed(replace(ENTRY, until=NOW + timedelta(minutes=1)))
    made.failed(replace(ENTRY, pair="ETH/USDT", side="sell", trade="7"))
    made.holds([HELD])
    assert len(made.orders) == 2
    made._clock = lambda: NOW + timedelta(minutes=1)
    made.holds([HELD])
    assert [order.trade for order in made.orders] == ["7"]
    made.holds([])
    assert made.orders == ()


def test_a_sheet_of_a_bot_that_was_killed_is_emptied_and_a_folder_that_fails_is_alerted(
    tmp_path: Path,
) -> None:
    sheet(tmp_path).failed(ENTRY)
    sheet(tmp_path)
    assert rows(tmp_path) == []
    (tmp_path / "file").write_text("")
    made = sheet(tmp_path / "file")
    made.failed(ENTRY)
    assert "cannot be written" in alerts(made)[0].text
    assert len(made.orders) == 1


@pytest.fixture
def refusing(tmp_path: Path) -> object:
    """A bot whose exchange can be made to fail at orders: dry-run orders never leave freqtrade."""
    with dry_bot(tmp_path) as dry:
        yield dry


def fail_orders(dry: DryBot, error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise error

    monkeypatch.setattr(dry.bot.exchange, "create_dry_run_order", broken)


def test_a_real_bot_whose_orders_fail_leaves_a_sheet_and_clears_it_when_they_go_through(
    refusing: DryBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    dry = refusing
    with monkeypatch.context() as patch:
        fail_orders(dry, TemporaryError("503 Service Unavailable"), patch)
        dry.process()
        assert Trade.get_open_trade_count() == 0
        (row,) = rows(dry.attachment.control.folder)
        assert (row["pair"], row["side"], row["trade"]) == ("BTC/USDT", "buy", "")
        assert float(row["size"]) * float(row["price"]) == pytest.approx(1_000.0, rel=0.02)
        assert "503 Service Unavailable" in row["why"]
        assert "look at the exchange first" in row["why"]
    dry.process()
    assert Trade.get_open_trade_count() > 0
    assert rows(dry.attachment.control.folder) == []
    with monkeypatch.context() as patch:
        fail_orders(dry, InvalidOrderException("lot size"), patch)
        dry.attachment.desk.settings = dry.attachment.desk.settings.model_copy(
            update={"breaker": dry.attachment.desk.settings.breaker.model_copy(update={"reduce_to": 0.0})}
        )
        dry.attachment.breaker.see("ticks", [Alarm("flash_crash", 0.1, 0.2, "BTC/USDT")])
        dry.process()
        sales = dry.attachment.manual.sheet.orders
    assert sales
    assert {(order.side, order.type) for order in sales} == {("sell", "market")}
    assert "the breaker reduces the book" in sales[0].why
    dry.process()
    assert Trade.get_open_trade_count() == 0
    assert dry.attachment.manual.sheet.orders == ()
