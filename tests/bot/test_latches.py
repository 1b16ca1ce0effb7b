"""The kill switch and the breaker hold whatever happens to disk, files, clock and settings."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agent_market.bot import json_state
from agent_market.bot.alerting.alerts import AlertBus
from agent_market.bot.breaker.breaker_service import BreakerService
from agent_market.bot.control import Control
from agent_market.bot.journal.journal import Journal
from agent_market.bot.risk_engine import RiskEngine
from agent_market.bot.steady_clock import SteadyClock
from agent_market.config import BreakerSettings, RiskSettings
from agent_market.errors import ControlUnreadable
from agent_market.risk.breaker import BreakerState, step
from agent_market.risk.systemic import Alarm

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
CRASH = Alarm("flash_crash", 0.1, 0.2, "BTC/USDT")
HOUR = timedelta(hours=1)
IMPORT = "from pathlib import Path; from agent_market.bot.control import Control"


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is written whole meets ENOSPC; files can still be made empty."""

    def no_room(file: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(json_state, "replace_bytes", no_room)


def read_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent_market.bot.control.spoil", lambda path: False)


def bots(folder: Path) -> Control:
    """The switch as the bot's own process has it."""
    switch = Control(folder)
    switch.latch()
    return switch


# --- kill switch ---------------------------------------------------------------------------------------


def test_a_pause_on_a_full_disk_holds_at_once_and_over_a_restart(tmp_path: Path, full_disk: None) -> None:
    state = bots(tmp_path).pause("rest:anna", "news")
    assert (state.paused, state.paused_by, state.reason) == (True, "rest:anna", "news")
    assert Control(tmp_path).state().paused, "every other object of this process asks the same latch"
    assert (tmp_path / "pause.json").read_bytes() == b""
    other = subprocess.run(
        [
            sys.executable,
            "-c",
            f"from agent_market.bot.control import *; print(Control(Path({str(tmp_path)!r})).state())",
        ],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ},
    )
    assert "paused=True" in other.stdout, "what a restart reads"


def test_a_pause_that_no_file_takes_holds_in_memory_and_says_so(
    tmp_path: Path, full_disk: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_only(monkeypatch)
    switch = bots(tmp_path)
    assert switch.state().paused is False
    state = switch.pause("rest:anna")
    assert state.paused
    assert "No space left" in state.unsaved
    assert switch.state() == state
    assert switch.resume("rest:anna").paused is False, "a human's resume lifts it"
    with pytest.raises(ControlUnreadable, match="No space left"):
        Control(tmp_path / "no bot here").pause("command line")


def test_a_full_disk_takes_no_resume_of_what_is_paused_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    switch = bots(tmp_path)
    switch.pause("rest:anna")
    request.getfixturevalue("full_disk")
    with pytest.raises(ControlUnreadable):
        switch.resume("rest:anna")
    assert switch.state().paused


@pytest.mark.parametrize("latched", [True, False])
def test_a_deleted_file_is_no_resume(tmp_path: Path, latched: bool) -> None:
    switch = bots(tmp_path) if latched else Control(tmp_path)
    switch.pause("telegram:7", "news")
    (tmp_path / "pause.json").unlink()
    assert switch.state().paused
    assert Control(tmp_path).state().reason == "news"
    if latched:
        for file in tmp_path.iterdir():
            file.unlink()
        assert switch.state().paused
    assert switch.resume("telegram:7").paused is False
    assert switch.state().paused is False


def test_a_resume_of_before_the_pause_lifts_nothing(tmp_path: Path) -> None:
    switch = bots(tmp_path)
    switch.pause("a")
    switch.resume("a")
    before = (tmp_path / "pause.json").read_bytes()
    switch.state()
    switch.pause("a")
    (tmp_path / "pause.json").write_bytes(before)  # a backup that somebody put back
    assert switch.state().paused
    assert switch.resume("a").paused is False


def test_a_pause_and_a_resume_of_another_process_are_heard(tmp_path: Path) -> None:
    switch = bots(tmp_path)
    for word, paused in (("pause", True), ("resume", False), ("pause", True)):
        call = f"Control(Path({str(tmp_path)!r})).{word}('command line')"
        subprocess.run([sys.executable, "-c", f"{IMPORT}; {call}"], check=True)
        assert switch.state().paused is paused


@pytest.mark.parametrize("content", ["{}", '{"reason": "x"}', '{"paused": null}', '{"paused": 0}', "\xff"])
@pytest.mark.parametrize("latched", [True, False])
def test_a_file_that_does_not_say_whether_counts_as_paused(
    tmp_path: Path, content: str, latched: bool
) -> None:
    switch = bots(tmp_path) if latched else Control(tmp_path)
    (tmp_path / "pause.json").write_bytes(content.encode("latin-1"))
    assert switch.state().paused
    assert switch.state().damaged
    if latched:
        (tmp_path / "pause.json").unlink()
        assert switch.state().paused, "the damage is gone, and nobody has resumed"
    assert switch.resume("me").paused is False


def test_a_stricter_mode_holds_on_a_full_disk_and_a_looser_one_does_not(
    tmp_path: Path, full_disk: None
) -> None:
    switch = bots(tmp_path)
    assert switch.set_mode("manual", "rest:anna").mode == "manual"
    assert "No space left" in switch.state().unsaved
    with pytest.raises(ControlUnreadable):
        switch.set_mode("auto", "rest:anna")
    assert switch.state().mode == "manual"


@pytest.mark.parametrize("latched", [True, False])
def test_a_deleted_mode_file_frees_no_entries(tmp_path: Path, latched: bool) -> None:
    switch = bots(tmp_path) if latched else Control(tmp_path)
    switch.set_mode("manual", "me")
    (tmp_path / "mode.json").unlink()
    assert switch.state().mode == "manual"
    assert switch.set_mode("auto", "me").mode == "auto"


def test_without_file_descriptors_the_switch_counts_as_paused(tmp_path: Path) -> None:
    switch = bots(tmp_path)
    switch.resume("me")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        state = switch.state()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert state.paused


# --- breaker -------------------------------------------------------------------------------------------


class Clocks:
    """A wall clock that can be set, and a counter that only runs."""

    def __init__(self) -> None:
        self.wall, self.passed = NOW, 0.0

    def run(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
        self.passed += seconds

    def desk(self, file: Path, **settings: Any) -> BreakerService:
        return BreakerService(
            BreakerSettings(**settings), AlertBus(), file, lambda: self.wall, lambda: self.passed
        )


@pytest.mark.parametrize("jump", [2 * HOUR, -2 * HOUR, timedelta(days=400)])
def test_a_clock_that_is_set_and_set_back_ends_no_freeze_and_prolongs_none(
    tmp_path: Path, jump: timedelta
) -> None:
    clocks = Clocks()
    desk = clocks.desk(tmp_path / "breaker.json")
    desk.see("ticks", [CRASH])
    clocks.wall += jump
    clocks.run(6)
    assert desk.see("ticks", ()).frozen
    until = desk.state.until
    assert until is not None
    assert until - clocks.wall == HOUR - timedelta(seconds=6), "people read the wall clock"
    clocks.wall -= jump
    clocks.run(3_590)
    assert desk.see("ticks", ()).frozen
    clocks.run(5)
    assert not desk.see("ticks", ()).frozen


@pytest.mark.parametrize("jump", [2 * HOUR, -2 * HOUR])
def test_a_restart_on_another_clock_keeps_the_end(tmp_path: Path, jump: timedelta) -> None:
    clocks = Clocks()
    clocks.desk(tmp_path / "breaker.json").see("ticks", [CRASH])
    clocks.wall += jump
    clocks.run(60)
    desk = clocks.desk(tmp_path / "breaker.json")
    assert desk.see("candles", ()).frozen
    clocks.run(3_539)
    assert desk.see("candles", ()).frozen
    clocks.run(2)
    assert not desk.see("candles", ()).frozen


def test_other_settings_after_a_reload_shorten_no_freeze(tmp_path: Path) -> None:
    clocks = Clocks()
    clocks.desk(tmp_path / "breaker.json", cooldown_minutes=60).see("ticks", [CRASH])
    desk = clocks.desk(tmp_path / "breaker.json", cooldown_minutes=1)
    clocks.run(3_500)
    assert desk.see("ticks", ()).frozen
    assert desk.see("ticks", [CRASH]).frozen
    clocks.run(101)
    assert not desk.see("ticks", ()).frozen


def test_the_same_candle_seen_again_prolongs_nothing_and_holds_while_it_is_the_newest(tmp_path: Path) -> None:
    clocks = Clocks()
    desk = clocks.desk(tmp_path / "breaker.json", cooldown_minutes=30)
    for _ in range(12):
        assert desk.see("candles", [CRASH], evidence="12:00").frozen
        desk.see("ticks", ())
        clocks.run(300)
    assert not desk.see("candles", (), evidence="13:00").frozen
    desk.see("candles", [CRASH], evidence="14:00")
    clocks.run(60)
    desk.see("candles", (), evidence="15:00")
    clocks.run(1_739)
    assert desk.see("candles", (), evidence="15:00").frozen
    clocks.run(2)
    assert not desk.see("candles", (), evidence="15:00").frozen


def test_a_freeze_ends_with_a_fresh_look_of_what_caused_it(tmp_path: Path) -> None:
    clocks = Clocks()
    desk = clocks.desk(tmp_path / "breaker.json")
    desk.see("candles", [CRASH], evidence=1)
    desk.see("candles", (), evidence=2)
    clocks.run(4_000)
    assert desk.see("ticks", ()).frozen, "tickers say nothing of candles"
    assert not desk.see("candles", (), evidence=2).frozen


def test_a_freeze_on_a_full_disk_freezes_after_a_restart_too(tmp_path: Path, full_disk: None) -> None:
    clocks = Clocks()
    assert clocks.desk(tmp_path / "breaker.json").see("ticks", [CRASH]).frozen
    assert clocks.desk(tmp_path / "breaker.json").frozen


def test_a_deleted_breaker_file_thaws_nothing(tmp_path: Path) -> None:
    clocks = Clocks()
    desk = clocks.desk(tmp_path / "breaker.json")
    desk.see("ticks", [CRASH])
    (tmp_path / "breaker.json").unlink()
    assert desk.see("ticks", ()).frozen
    assert clocks.desk(tmp_path / "breaker.json").frozen


def test_a_pure_step_counts_a_candles_alarm_from_when_it_was_known() -> None:
    known = Alarm("flash_crash", 0.1, 0.2, "A", NOW)
    state = step(BreakerState(), [known], NOW, BreakerSettings())
    state = step(state, [known], NOW + 0.9 * HOUR, BreakerSettings())
    assert state.until == NOW + HOUR
    assert not step(state, [], NOW + HOUR, BreakerSettings()).frozen


def test_the_steady_clock_runs_on_whatever_the_wall_clock_says() -> None:
    clocks = Clocks()
    clock = SteadyClock(lambda: clocks.wall, lambda: clocks.passed)
    clocks.wall -= HOUR
    clocks.passed += 5
    assert clock() == NOW + timedelta(seconds=5)


# --- the day's loss ------------------------------------------------------------------------------------


@pytest.mark.parametrize("restarted", [False, True])
def test_a_clock_ahead_over_midnight_and_back_finds_the_days_first_equity(
    tmp_path: Path, restarted: bool
) -> None:
    journal = Journal(tmp_path)
    day = NOW.date()
    assert journal.day_start(day, 1000.0) == 1000.0
    assert journal.day_start(day + timedelta(days=1), 960.0) == 960.0
    assert journal.day_start(day + timedelta(days=4_000), 960.0) == 960.0
    if restarted:
        journal = Journal(tmp_path)
    assert journal.day_start(day, 955.0) == 1000.0


def test_a_day_file_of_an_older_version_is_read(tmp_path: Path) -> None:
    json_state.write_fact(tmp_path / "day.json", {"day": NOW.date().isoformat(), "equity": 900.0})
    assert Journal(tmp_path).day_start(NOW.date(), 800.0) == 900.0


def test_a_new_day_begins_no_earlier_than_the_exchanges_candles_let_it() -> None:
    desk: Any = RiskEngine.__new__(RiskEngine)
    desk.settings = RiskSettings()
    desk._pairs = lambda: {"A"}
    newest = datetime(2026, 1, 5, 22, tzinfo=UTC)
    desk.market = SimpleNamespace(live=True, timeframe_s=3600, newest_close=lambda pairs: newest)
    assert desk._day_of(newest + 2.5 * HOUR) == newest.date(), "the clock was set ahead"
    newest = datetime(2026, 1, 6, 0, tzinfo=UTC)
    assert desk._day_of(newest + timedelta(seconds=1)) == newest.date()
