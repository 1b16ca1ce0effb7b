"""Alerts outlive the process: ids of the table, numbers of the process, and who resolved what."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent_market.bot.alerting.alert_queries import alert_history, resolve
from agent_market.bot.alerting.alerts import AlertBus
from agent_market.bot.alerting.history import AlertHistory
from agent_market.bot.breaker.breaker_service import BreakerService
from agent_market.bot.telegram.alerts import alerts_text
from agent_market.config import BreakerSettings
from agent_market.errors import DataError, StoreFull
from agent_market.queries import run_context as sources
from agent_market.queries.run_context import RunContext, open_source
from agent_market.risk.breaker import Alarm
from agent_market.store.alerts import AlertRecord, alerts_of, put_alerts, resolve_alert
from agent_market.store.database import Database
from tests.helpers.dry_bot import dry_bot
from tests.helpers.episode_makers import at


@pytest.fixture(autouse=True)
def _own_stores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_stores", {})


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(f"sqlite:///{tmp_path}/agent_market.sqlite")


def config(folder: Path) -> dict[str, Any]:
    return {"user_data_dir": folder, "runmode": "dry_run"}


def a_source(folder: Path) -> RunContext:
    return open_source(config(folder))


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[tuple[AlertBus, AlertHistory]]:
    """A bus that hands out to a history; ended by the test with `stop`."""
    bus, history = AlertBus(), AlertHistory(config(tmp_path), most=50)
    bus.subscribe(history)
    bus.start()
    yield bus, history
    bus.stop()


def test_alerts_of_every_start_are_shown_with_ids_that_go_on(tmp_path: Path, database: Database) -> None:
    for start in ("first", "second"):
        bus, history = AlertBus(), AlertHistory(config(tmp_path))
        bus.subscribe(history)
        bus.start()
        bus.publish("warning", "fault", f"{start} a", value=1.5)
        bus.publish("info", "control", f"{start} b")
        bus.stop()
        history.write()
        history.write()
    found = alert_history(a_source(tmp_path), None)
    assert [(r.id, r.number, r.text) for r in found] == [
        (1, 1, "first a"),
        (2, 2, "first b"),
        (3, 1, "second a"),
        (4, 2, "second b"),
    ]
    assert len({r.process for r in found}) == 2
    assert found[0].data == {"value": 1.5}
    assert [r.id for r in alert_history(a_source(tmp_path), None, before=3, limit=1)] == [2]
    assert [r.text for r in alert_history(a_source(tmp_path), history, after=1)] == ["second b"]


def test_what_is_not_stored_yet_is_shown_without_id_and_once(
    tmp_path: Path, kept: tuple[AlertBus, AlertHistory]
) -> None:
    bus, history = kept
    bus.publish("warning", "fault", "early")
    found = alert_history(a_source(tmp_path), history, bus.recent())
    assert [(r.id, r.text) for r in found] == [(None, "early")], "there is no store yet"
    Database(f"sqlite:///{tmp_path}/agent_market.sqlite").close()
    bus.stop()
    history.write()
    found = alert_history(a_source(tmp_path), history, bus.recent())
    assert [(r.id, r.text) for r in found] == [(1, "early")]


def test_a_store_that_is_stuck_holds_up_neither_bus_nor_bot_and_the_queue_is_bounded(
    tmp_path: Path,
    database: Database,
    kept: tuple[AlertBus, AlertHistory],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    bus, history = kept
    stuck, entered = threading.Event(), threading.Event()

    def full(*_: Any) -> None:
        entered.set()
        stuck.wait(60)
        raise StoreFull("no room")

    with monkeypatch.context() as patched:
        patched.setattr("agent_market.bot.alerting.history.put_alerts", full)
        bus.publish("info", "control", "one")
        while not history.waiting():
            pass
        writer = threading.Thread(target=history.write)
        writer.start()
        assert entered.wait(60)
        heard = threading.Event()
        bus.subscribe(lambda alert: heard.set() if alert.text == "last" else None)
        for n in range(60):
            bus.publish("info", "control", f"more {n}")
        bus.publish("info", "control", "last")
        assert heard.wait(60), "the bus hands out while the store is stuck"
        stuck.set()
        writer.join()
        history.write()
    assert caplog.text.count("cannot be stored") == 1
    assert len(history.waiting()) == 50
    history.write()
    texts = [record.text for record in alerts_of(database, "live", 100)]
    assert texts[0] == "last"
    assert len(texts) == 50


def test_who_resolves_an_alert_first_stays_named(tmp_path: Path, database: Database) -> None:
    put_alerts(database, "live", [AlertRecord("p", 1, at(1), "warning", "fault", "broken")])
    put_alerts(database, "other", [AlertRecord("p", 1, at(1), "warning", "fault", "theirs")])
    source = a_source(tmp_path)
    first = resolve(source, None, 1, "telegram:42 (anna)")
    assert (first.resolved_by, first.text) == ("telegram:42 (anna)", "broken")
    assert resolve(source, None, 1, "rest:ben") == first
    with pytest.raises(DataError, match="no alert with id 2 in scope 'live'"):
        resolve(source, None, 2, "rest:ben")
    assert alerts_of(database, "live", only_open=True) == ()
    assert len(alerts_of(database, "other", only_open=True)) == 1
    text = alerts_text("Newest alerts", alerts_of(database, "live"))
    assert text == ("Newest alerts\n1. 2024-01-01 01:00 UTC warning: broken (resolved by telegram:42 (anna))")


def test_a_breaker_that_thaws_resolves_its_own_alerts_and_no_other(
    tmp_path: Path, database: Database, kept: tuple[AlertBus, AlertHistory]
) -> None:
    bus, history = kept
    desk = BreakerService(BreakerSettings(), bus, None)
    bus.publish("warning", "fault", "another")
    desk.see("candles", [Alarm("vix", 40.0, 45.0)], datetime.now(UTC))
    desk.reset("rest:anna")
    bus.publish("critical", "breaker", "frozen once more")
    bus.stop()
    history.write()
    still = alerts_of(database, "live", only_open=True)
    assert [record.text for record in still] == ["frozen once more", "another"]
    ended = [r for r in alerts_of(database, "live") if r.resolved_at]
    assert {r.topic for r in ended} == {"breaker"}
    assert all("reset by rest:anna" in str(r.resolved_by) for r in ended)


def test_a_real_bots_alerts_are_there_after_its_restart(tmp_path: Path, database: Database) -> None:
    for _ in range(2):
        with dry_bot(tmp_path, {"agent_market": {"jobs": {"in_bot": False}}}) as dry:
            dry.attachment.bus.publish("warning", "fault", "planted at the end")
    found = alerts_of(database, "live", 100)
    assert sum(record.text == "planted at the end" for record in found) == 2
    assert sum("risk gate installed" in record.text for record in found) == 2
    assert len({record.process for record in found}) == 2


def test_the_same_on_postgresql(empty_postgres: str) -> None:
    database = Database(empty_postgres)
    record = AlertRecord("p", 1, at(1), "critical", "breaker", "frozen", {"a": 1})
    put_alerts(database, "live", [record, record])
    put_alerts(
        database, "live", [AlertRecord("p", 2, at(2), "info", "breaker", "ok", {"resolves": "breaker"})]
    )
    newest, first = alerts_of(database, "live")
    assert (first.resolved_by, newest.resolved_by) == ("ok", "ok")
    assert resolve_alert(database, "live", 99, "x", at(3)) is None
    database.close()
