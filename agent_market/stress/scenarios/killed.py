"""`freqtrade trade` in a process of its own, killed with -9 at random: nothing lost, nothing doubled."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import orjson

from agent_market.bot.breaker.breaker_service import breaker_from
from agent_market.bot.control import Control
from agent_market.bot.json_state import read_fact
from agent_market.errors import SandboxError
from agent_market.queries.risk_log import NAME
from agent_market.sandbox.faults import FlashCrash
from agent_market.stress.bots import exchange
from agent_market.stress.dry_config import PAIRS, write_config
from agent_market.stress.scenario import Invariant, Scenario

KILLS = 4
START_S = 90.0
WITHIN_S = 4.0
SEED = 7
PAUSED = "paused by stress"

Trades = dict[int, tuple[str, float, float]]
"""Pair, amount and open rate by trade number."""


@dataclass(frozen=True, slots=True)
class Killed:
    """Counts over all kills but the last two; these are of a paused bot and of one with frozen entries."""

    kills: int
    open_trades: int
    databases_damaged: int
    trades_lost_or_changed: int
    pairs_doubled: int
    journal_lines: int
    journal_lines_damaged: int
    orders_while_paused: int
    alarms_before: tuple[str, ...]
    alarms_after: tuple[str, ...]
    told_frozen: bool


def kill_again_and_again(folder: Path) -> Killed:
    """Start, kill and look, over and over on one folder; then once while paused, and once while frozen."""
    draws = Random(SEED)
    state = folder / "agent_market"
    damaged = lost = doubled = 0
    trades: Trades = {}
    with exchange() as server:
        write_config(folder, server.url, {}, "Eager", {}, {"max_open_trades": len(PAIRS) - 1})
        for number in range(KILLS):
            with _freqtrade(folder, f"bot{number}.log") as process:
                _until(lambda: bool(_trades(folder)), process)
                time.sleep(draws.uniform(0.0, WITHIN_S))
                before = _trades(folder)
                _kill(process)
            after = _trades(folder)
            damaged += not _whole(folder)
            lost += sum(after.get(trade) != facts for trade, facts in (trades | before).items())
            doubled += sum(count > 1 for count in Counter(pair for pair, *_ in after.values()).values())
            trades = after

        write_config(folder, server.url, {}, "Eager", {}, {})  # one more is wanted from here on
        Control(state).pause("stress", "over a restart")
        with _freqtrade(folder, "paused.log") as process:
            _until(lambda: PAUSED in _log(folder, "paused.log"), process)
            time.sleep(1.0)
            _kill(process)
        bought_paused = len(_trades(folder)) - len(trades)
        Control(state).resume("stress")

        with _freqtrade(folder, "crash.log") as process:
            _until(lambda: "RUNNING" in _log(folder, "crash.log"), process)
            time.sleep(1.0)
            server.faults(FlashCrash(depth=0.3))
            _until(lambda: bool(_alarms(state)), process)
            _kill(process)
        alarms = _alarms(state)
        with _freqtrade(folder, "after.log") as process:
            _until(lambda: "risk gate installed" in _log(folder, "after.log"), process)
            kept = _alarms(state)
            _kill(process)
    lines = (state / NAME).read_bytes().splitlines() if (state / NAME).exists() else []
    return Killed(
        kills=KILLS + 3,
        open_trades=len(trades),
        databases_damaged=damaged,
        trades_lost_or_changed=lost,
        pairs_doubled=doubled,
        journal_lines=len(lines),
        journal_lines_damaged=sum(not _is_json(line) for line in lines),
        orders_while_paused=bought_paused,
        alarms_before=alarms,
        alarms_after=kept,
        told_frozen="entries frozen: flash_crash" in " ".join(_log(folder, "after.log").split()),
    )


@contextmanager
def _freqtrade(folder: Path, log: str) -> Iterator[subprocess.Popen[bytes]]:
    """The bot of `folder`; killed at the end of the block, whatever happened in it."""
    command = [sys.executable, "-m", "freqtrade", "trade", "--userdir", str(folder)]
    command += ["-c", str(folder / "config.json"), "--datadir", str(folder)]
    with (folder / log).open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env={**os.environ})
    try:
        yield process
    finally:
        if process.poll() is None:
            _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait(30)


def _until(done: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.perf_counter() + START_S
    while not done():
        if process.poll() is not None:
            raise SandboxError(f"freqtrade ended by itself with code {process.returncode}; see its log")
        if time.perf_counter() > deadline:
            raise SandboxError(f"freqtrade did not get that far within {START_S:.0f} s; see its log")
        time.sleep(0.05)


def _query(folder: Path, statement: str) -> list[Any]:
    """Read without write access, as anything beside a running bot must."""
    file = folder / "trades.sqlite"
    if not file.exists():
        return []
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=10.0)
    try:
        return connection.execute(statement).fetchall()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return []
        raise
    finally:
        connection.close()


def _trades(folder: Path) -> Trades:
    rows = _query(folder, "SELECT id, pair, amount, open_rate FROM trades WHERE is_open = 1")
    return {row[0]: (row[1], float(row[2]), float(row[3])) for row in rows}


def _whole(folder: Path) -> bool:
    return _query(folder, "PRAGMA integrity_check") == [("ok",)]


def _alarms(state: Path) -> tuple[str, ...]:
    fact = read_fact(state / "breaker.json")
    return tuple(sorted({alarm.cause for alarm in breaker_from(fact).alarms}))


def _log(folder: Path, name: str) -> str:
    return (folder / name).read_text(encoding="utf-8", errors="replace")


def _is_json(line: bytes) -> bool:
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return True


KILLED = Scenario(
    "kill-9",
    f"The bot's process is killed with -9 {KILLS} times at random moments with trades open, then while "
    "paused, while frozen, and as it starts again.",
    kill_again_and_again,
    (
        Invariant(
            "no trade is lost, changed or doubled, and the trades database is whole",
            lambda e: (
                e.open_trades > 0 and e.trades_lost_or_changed == e.pairs_doubled == e.databases_damaged == 0
            ),
            lambda e: (
                f"{e.kills} kills, {e.open_trades} trades open: {e.trades_lost_or_changed} lost or "
                f"changed, {e.pairs_doubled} doubled, {e.databases_damaged} damaged"
            ),
        ),
        Invariant(
            "every line of the risk journal can be read",
            lambda e: e.journal_lines > 0 and e.journal_lines_damaged == 0,
            lambda e: f"{e.journal_lines_damaged} of {e.journal_lines} damaged",
        ),
        Invariant(
            "a pause holds over the restart",
            lambda e: e.orders_while_paused == 0,
            lambda e: f"one more entry wanted, refused, {e.orders_while_paused} orders",
        ),
        Invariant(
            "frozen entries are frozen after the restart, for the same cause",
            lambda e: (
                "flash_crash" in e.alarms_before and e.alarms_before == e.alarms_after and e.told_frozen
            ),
            lambda e: (
                f"{', '.join(e.alarms_before) or 'not frozen'}, then "
                f"{', '.join(e.alarms_after) or 'not frozen'}"
            ),
        ),
    ),
)
