"""Run a module as a child that never outlives its parent: `python -m agent_market.supervised MODULE ...`.

Standard input is a pipe whose other end only the parent holds. When the parent is gone, however it ended,
the pipe closes and this process exits, so no freqtrade keeps writing after `kill -9` of a flow.
"""

from __future__ import annotations

import os
import runpy
import sys
from threading import Thread

ORPHANED = 113
"""Exit code of a child whose parent ended first."""


def _end_with_the_parent(pipe: int) -> None:
    while os.read(pipe, 4096):
        pass
    os._exit(ORPHANED)


def main() -> None:
    """Watch the pipe in a thread, and run the module."""
    pipe = os.dup(0)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    Thread(target=_end_with_the_parent, args=(pipe,), daemon=True, name="parent").start()
    module, sys.argv = sys.argv[1], sys.argv[1:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
