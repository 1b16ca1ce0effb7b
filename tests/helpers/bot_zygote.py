"""Imports freqtrade once and forks a whole bot for each line on stdin; tells pid and end of each on stdout.

A fork shares nothing but imported code with the one before: every bot reads its config, opens its databases
and joins freqtrade from scratch, as `freqtrade trade` does. All that it saves is the seconds of imports.

    python bot_zygote.py LOG freqtrade-arguments...
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import freqtrade.commands.trade_commands
import freqtrade.freqtradebot
import freqtrade.worker  # noqa: F401
from freqtrade.main import main as freqtrade_main

import agent_market.freqai.ensemble
import agent_market.strategy.strategy  # noqa: F401


def serve(log: Path, arguments: list[str]) -> None:
    """Fork until stdin ends. One bot at a time."""
    if threading.active_count() > 1:
        raise SystemExit("a fork would lose threads")
    for _ in sys.stdin:
        bot = os.fork()
        if bot == 0:
            _become_a_bot(log, lambda: freqtrade_main(arguments))
        print(bot, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(bot, 0)[1]), flush=True)


def _become_a_bot(log: Path, run: Callable[[], None]) -> None:
    """The child: never returns. Its output goes to the log."""
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for descriptor, target in ((os.open(os.devnull, os.O_RDONLY), 0), (out, 1), (out, 2)):
        os.dup2(descriptor, target)
    try:
        run()
    finally:
        os._exit(1)


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.argv[2:])
