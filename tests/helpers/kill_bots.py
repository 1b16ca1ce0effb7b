"""Starts one bot after the other, each a fork of a process that has freqtrade imported, and kills it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from tests.helpers.workspace import Workspace, unwrapped

PATIENCE_S = 120.0


class Bots:
    """Starts one bot after the other."""

    def __init__(self, workspace: Workspace, folder: Path) -> None:
        self.log = folder / "bot.log"
        self._told = folder / "told.jsonl"
        live = workspace.user_data / "live_data"
        live.mkdir()
        arguments = workspace.command(
            *("trade", "--dry-run", "--strategy", "KilledStrategy", "--freqaimodel", "AgentEnsemble"),
            *("--datadir", str(live), "--db-url", f"sqlite:///{workspace.user_data / 'trades.sqlite'}"),
        )[3:]
        zygote = [sys.executable, str(Path(__file__).with_name("bot_zygote.py")), str(self.log), *arguments]
        self._zygote = subprocess.Popen(zygote, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._pid = 0
        self._heard = 0

    def start(self) -> None:
        """A new process; returns once it has been forked."""
        assert self._zygote.stdin is not None
        self._heard = self._size()
        self._zygote.stdin.write("a bot\n")
        self._zygote.stdin.flush()
        self._pid = int(self._line())

    def kill(self) -> None:
        """SIGKILL, and nothing else may have ended it."""
        os.kill(self._pid, signal.SIGKILL)
        code = int(self._line())
        assert code == -signal.SIGKILL, f"the bot ended by itself: {code}\n{self._tail()}"

    def wait_for(self, word: str) -> None:
        """Until the bot tells so, after what was waited for before."""
        sought = word.encode()
        deadline = time.monotonic() + PATIENCE_S
        while True:
            new = self._new()
            if sought in new:
                self._heard += new.index(sought) + len(sought)
                return
            assert time.monotonic() < deadline, f"no {word!r} within {PATIENCE_S:.0f} s\n{self._tail()}"
            time.sleep(0.0005)

    def wait_for_log(self, words: str) -> None:
        """Until any bot has logged so."""
        deadline = time.monotonic() + 3 * PATIENCE_S
        while words not in unwrapped(self.log):
            assert time.monotonic() < deadline, f"no {words!r} within {3 * PATIENCE_S:.0f} s\n{self._tail()}"
            time.sleep(0.5)

    def _new(self) -> bytes:
        if self._size() <= self._heard:
            return b""
        with self._told.open("rb") as file:
            file.seek(self._heard)
            return file.read()

    def _size(self) -> int:
        return self._told.stat().st_size if self._told.exists() else 0

    def close(self) -> None:
        """End whatever runs."""
        if self._zygote.poll() is None and self._pid:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
        assert self._zygote.stdin is not None
        self._zygote.stdin.close()
        self._zygote.wait(30)

    def _line(self) -> str:
        assert self._zygote.stdout is not None
        line = self._zygote.stdout.readline()
        assert line, "the process that forks the bots has ended"
        return line

    def _tail(self) -> str:
        return self.log.read_text(errors="replace")[-6000:] if self.log.exists() else "no log"
