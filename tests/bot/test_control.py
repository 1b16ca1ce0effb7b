"""The kill switch: files that survive a killed process, and a damaged one that counts as paused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agent_market.bot.alerting.alerts import Alert, AlertBus
from agent_market.bot.breaker.breaker_service import BreakerService
from agent_market.bot.confirmations import Confirmations, EntryProposal
from agent_market.bot.control import Control
from agent_market.bot.json_state import read_fact, write_fact
from agent_market.bot.workers import Worker
from agent_market.cli import app
from agent_market.config import BreakerSettings
from agent_market.errors import ConfigError, ControlUnreadable
from agent_market.risk.systemic import Alarm

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
CRASH = Alarm("flash_crash", 0.1, 0.2, "BTC/USDT")


def test_nothing_said_means_automatic_and_not_paused(tmp_path: Path) -> None:
    state = Control(tmp_path).state()
    assert (state.paused, state.mode) == (False, "auto")


def test_a_pause_and_a_mode_are_seen_by_another_process_and_do_not_undo_each_other(tmp_path: Path) -> None:
    here, there = Control(tmp_path), Control(tmp_path)
    here.pause("telegram:7", "news", at=NOW)
    there.set_mode("confirm", "rest:anna")
    state = here.state()
    assert (state.paused, state.paused_by, state.reason, state.since) == (True, "telegram:7", "news", NOW)
    assert state.mode == "confirm"
    assert there.resume("command line").paused is False
    assert here.state().mode == "confirm"


def test_an_unknown_mode_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'yolo'.*auto, confirm, manual"):
        Control(tmp_path).set_mode("yolo", "me")


@pytest.mark.parametrize("name", ["pause.json", "mode.json"])
@pytest.mark.parametrize(
    "content",
    ["", "{", "[1]", '{"mode": 3, "paused": 1, "at": "x"}', '{"mode": [], "paused": 1, "at": null}'],
)
def test_a_damaged_switch_counts_as_paused(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    state = Control(tmp_path).state()
    assert state.paused
    assert state.mode == "manual"
    assert state.damaged


def test_a_fact_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    file = tmp_path / "fact.json"
    write_fact(file, {"a": 1})
    with pytest.raises(TypeError):
        write_fact(file, {"a": object()})
    assert read_fact(file) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["fact.json"]
    (tmp_path / "blocked").write_text("")
    with pytest.raises(ControlUnreadable):
        write_fact(tmp_path / "blocked" / "fact.json", {})


def test_the_commands_pause_resume_and_set_the_mode(tmp_path: Path) -> None:
    def say(*words: str) -> str:
        done = CliRunner().invoke(app, [*words, "--userdir", str(tmp_path)])
        assert done.exit_code == 0, done.output
        return done.output

    assert "paused since" in say("pause", "--reason", "holiday")
    assert Control(tmp_path / "agent_market").state().reason == "holiday"
    assert "mode confirm" in say("mode", "confirm")
    assert "holiday" in say("mode")
    assert say("resume").startswith("entries go on; mode confirm")


def test_a_directory_that_no_bot_has_is_refused(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["pause", "--userdir", str(tmp_path / "typo")])
    assert isinstance(done.exception, ConfigError)
    assert not (tmp_path / "typo").exists()


def test_silence_is_a_no_and_a_yes_holds_once() -> None:
    clock = [NOW]
    desk = Confirmations(timedelta(minutes=10), lambda: clock[0])
    first, new = desk.ask("BTC/USDT", "long", "a", 100.0, 50.0, 1.0)
    assert new
    assert desk.ask("BTC/USDT", "long", "a", 90.0, 51.0, 1.0) == (first, False)
    assert desk.use(first) is None
    clock[0] += timedelta(minutes=10)
    assert desk.answer(first.number, True, "anna") is None, "too late"
    second, _ = desk.ask("BTC/USDT", "long", "b", 100.0, 50.0, 1.0)
    answered = desk.answer(second.number, True, "anna")
    assert answered is not None
    assert answered.answered_by == "anna"
    assert desk.answer(second.number, False, "bert") is None, "answered already"
    assert desk.use(second) == 100.0
    assert desk.use(second) is None, "a yes is spent"
    third, _ = desk.ask("BTC/USDT", "short", "b", 100.0, 50.0, 1.0)
    desk.answer(third.number, False, "anna")
    assert desk.use(third) is None
    assert desk.pending() == ()


@pytest.mark.parametrize("yes", [True, False, None])
def test_an_entry_under_the_same_tag_is_asked_about_again_on_another_occasion(yes: bool | None) -> None:
    clock = [NOW]
    desk = Confirmations(timedelta(minutes=10), lambda: clock[0])

    def ask(occasion: str) -> tuple[EntryProposal, bool]:
        return desk.ask("BTC/USDT", "long", "policy", 100.0, 50.0, 1.0, occasion)

    first, _ = ask("12:00")
    assert ask("13:00") == (first, False), "it still waits: one question at a time"
    if yes is None:
        clock[0] += timedelta(minutes=10)
    else:
        desk.answer(first.number, yes, "anna")
        assert desk.use(first) == (100.0 if yes else None)
    assert ask("12:00")[1] is False, "the answer holds for its occasion"
    second, new = ask("13:00")
    assert new
    assert desk.use(second) is None
    assert desk.answer(first.number, True, "anna") is None, "a button of the first does not answer the second"
    assert desk.pending() == (second,)


def test_a_yes_grows_stale() -> None:
    clock = [NOW]
    desk = Confirmations(timedelta(minutes=10), lambda: clock[0])
    asked, _ = desk.ask("BTC/USDT", "long", "a", 100.0, 50.0, 1.0)
    desk.answer(asked.number, True, "anna")
    clock[0] += timedelta(minutes=11)
    assert desk.use(asked) is None


def test_a_subscriber_that_fails_does_not_silence_the_next_and_the_thread_ends() -> None:
    bus, heard = AlertBus(kept=2), list[Alert]()

    def deaf(alert: Alert) -> None:
        raise RuntimeError("deaf")

    bus.subscribe(deaf)
    leave = bus.subscribe(heard.append)
    bus.start()
    for n in range(3):
        bus.publish("warning", "fault", f"n{n}", n=n)
    bus.stop()
    assert [a.text for a in heard] == ["n0", "n1", "n2"]
    assert [a.number for a in bus.recent()] == [2, 3], "only the newest are kept"
    assert [a.number for a in bus.recent(after=2)] == [3]
    leave()
    assert not any(t.name == "agent-market-alerts" for t in threading.enumerate())


def test_a_worker_goes_on_after_a_failure_and_stops_when_told() -> None:
    calls, failures, enough = [], list[Exception](), threading.Event()

    def work() -> None:
        calls.append(1)
        if len(calls) == 3:
            enough.set()
        raise ValueError("again")

    worker = Worker("test", 0.001, work, failures.append)
    worker.start()
    assert enough.wait(30)
    assert worker.stop()
    assert len(failures) >= 3


KILLED = """
import os, signal, sys
from pathlib import Path
from typing import Any
from agent_market.bot.alerting.alerts import AlertBus
from agent_market.bot.breaker.breaker_service import BreakerService
from agent_market.bot.control import Control
from agent_market.config import BreakerSettings
from agent_market.risk.systemic import Alarm
folder = Path(sys.argv[1])
Control(folder).pause("telegram:7", "storm")
desk = BreakerService(BreakerSettings(), AlertBus(), folder / "breaker.json")
desk.see("ticks", [Alarm("flash_crash", 0.1, 0.2, "BTC/USDT")])
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_state_after_kill_9_and_restart_is_the_same(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)], check=False, capture_output=True, env={**os.environ}
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    state = Control(tmp_path).state()
    assert (state.paused, state.paused_by, state.reason) == (True, "telegram:7", "storm")
    breaker = BreakerService(BreakerSettings(), AlertBus(), tmp_path / "breaker.json")
    assert breaker.frozen
    assert breaker.state.alarms == (CRASH,)
    breaker.see("candles", ())
    assert breaker.frozen, "the cool-down of before the kill still runs"


KEPT: dict[str, Any] = {
    "alarms": [{"cause": "vix", "threshold": 40.0, "value": 45.0, "where": ""}],
    "since": NOW.isoformat(),
    "until": (NOW + timedelta(hours=1)).isoformat(),
}


@pytest.mark.parametrize(
    "content",
    [
        "{}x",
        "[]",
        json.dumps({**KEPT, "until": "2026-01-05T13:00:00"}),
        json.dumps({**KEPT, "until": None}),
        json.dumps({**KEPT, "alarms": [{**KEPT["alarms"][0], "value": None}]}),
        json.dumps({**KEPT, "alarms": "vix"}),
    ],
)
def test_a_damaged_breaker_file_freezes_until_its_time_or_a_reset(tmp_path: Path, content: str) -> None:
    file = tmp_path / "breaker.json"
    file.write_text(content)
    desk = BreakerService(BreakerSettings(cooldown_minutes=10), AlertBus(), file, lambda: NOW)
    assert desk.frozen
    assert desk.see("candles", (), NOW + timedelta(minutes=9)).frozen
    assert not desk.see("candles", (), NOW + timedelta(minutes=10)).frozen


def test_a_reset_thaws_and_what_still_holds_freezes_again(tmp_path: Path) -> None:
    bus = AlertBus()
    desk = BreakerService(BreakerSettings(), bus, tmp_path / "breaker.json")
    desk.see("ticks", [CRASH])
    assert not desk.reset("rest:anna").frozen
    assert "rest:anna" in bus.recent()[-1].text
    assert not BreakerService(BreakerSettings(), bus, tmp_path / "breaker.json").frozen
    assert desk.see("ticks", [CRASH]).frozen


def test_what_one_source_sees_is_not_undone_by_the_other() -> None:
    desk = BreakerService(BreakerSettings(), AlertBus(), None)
    stale = Alarm("stale_data", 3, 5, "candles")
    desk.see("candles", [stale], NOW)
    assert desk.see("ticks", (), NOW).frozen
    assert not desk.see("candles", (), NOW).frozen, "stale data freeze only while they are stale"
