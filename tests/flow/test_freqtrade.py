from __future__ import annotations

import os
import subprocess
import sys
import time

import psutil
import pytest

from agent_market.errors import FlowError
from agent_market.freqtrade_cli import CHILD, call_freqtrade, message_of
from tests.helpers.flow_files import plan_of, use_stand_in


def test_freqtrade_itself_is_called_and_its_failure_told_in_its_own_words(tmp_path):
    absent = tmp_path / "absent.json"
    with pytest.raises(FlowError) as caught:
        call_freqtrade("backtest", ["backtesting", "--config", str(absent)], tmp_path, lambda words: None)
    message = str(caught.value)
    assert message.startswith("backtest: freqtrade ended with exit code")
    assert f'Config file "{absent}" not found' in message
    assert str(tmp_path / "backtest.log") in message


def test_output_goes_to_the_log_and_words_to_the_listener(tmp_path, monkeypatch):
    use_stand_in(monkeypatch, plan_of(tmp_path))
    heard = []
    arguments = ["download-data", "--datadir", str(tmp_path / "data")]
    call = call_freqtrade("download", arguments, tmp_path / "logs", heard.append)
    assert heard == ["at work"]
    log = call.log.read_text()
    assert log.startswith(f"$ {sys.executable} -m freqtrade download-data")
    assert "freqtrade - INFO - at work" in log


def test_a_killed_freqtrade_is_named_as_such(tmp_path, monkeypatch):
    use_stand_in(monkeypatch, plan_of(tmp_path), {"download-data": "die"})
    with pytest.raises(FlowError, match="download: freqtrade was killed by signal 9"):
        call_freqtrade("download", ["download-data"], tmp_path, lambda words: None)


def test_an_interrupted_flow_leaves_no_freqtrade_behind(tmp_path, monkeypatch):
    calls = use_stand_in(monkeypatch, plan_of(tmp_path), {"backtesting": "wait"})

    def interrupt(words):
        if words == "waiting":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        call_freqtrade("backtest", ["backtesting"], tmp_path, interrupt)
    with pytest.raises(ProcessLookupError):
        os.kill(int(calls.with_name("pid").read_text()), 0)


def test_only_the_message_of_a_log_line_is_shown():
    line = "2026-11-21 02:21:25,132 - freqtrade.freqai.model - INFO - Starting training BTC/USDT - 1"
    assert message_of(line) == "Starting training BTC/USDT - 1"
    assert message_of("Traceback (most recent call last):") == "Traceback (most recent call last):"


def test_freqtrade_ends_with_a_flow_that_is_killed(tmp_path, monkeypatch):
    calls = use_stand_in(monkeypatch, plan_of(tmp_path), {"backtesting": "wait"})
    child = [sys.executable, "-m", CHILD, "freqtrade", "backtesting"]
    program = f"import subprocess as s, time; s.Popen({child!r}, stdin=s.PIPE); time.sleep(60)"
    flow = subprocess.Popen([sys.executable, "-c", program])
    pid = calls.with_name("pid")
    wait_for(lambda: pid.exists() and pid.read_text() != "")
    freqtrade = int(pid.read_text())
    assert is_running(freqtrade)
    flow.kill()
    flow.wait()
    wait_for(lambda: not is_running(freqtrade))


def wait_for(condition, seconds=60):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not come about"
        time.sleep(0.02)


def is_running(process):
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
