"""One flow at a time in a user_data directory.

The lock is the operating system's (through filelock), so it ends with the process that held it, `kill -9`
included: there is no stale lock to remove. A file next to it names the holder.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from agent_market.errors import FlowError
from agent_market.utils.durable import replace_text

LOCK = "lock"
HOLDER = "lock.json"


@contextmanager
def only_flow(folder: Path, run_id: str) -> Iterator[str | None]:
    """Hold the lock of the flow folder inside the block.

    :return: the id of the last holder if it was killed before releasing the lock, else None.
    :raises FlowError: another process holds it; its run and process id are in the message.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock, holder = FileLock(folder / LOCK), folder / HOLDER
    try:
        lock.acquire(timeout=0)
    except Timeout:
        run, process = _held_by(holder)
        raise FlowError(
            f"another flow is running in {folder.parent.parent} (run {run}, process {process}); "
            "wait for it, or give this flow another `userdir`"
        ) from None
    try:
        left = _held_by(holder)[0] if holder.exists() else None
        replace_text(holder, json.dumps({"run": run_id, "process": os.getpid()}) + "\n")
        try:
            yield left
        finally:
            holder.unlink(missing_ok=True)
    finally:
        lock.release()


def _held_by(holder: Path) -> tuple[str, str]:
    try:
        note = json.loads(holder.read_text(encoding="utf-8"))
        return str(note["run"]), str(note["process"])
    except (OSError, ValueError, KeyError, TypeError):
        return "unknown", "unknown"


def holder_of(folder: Path) -> str | None:
    """Return the run that holds the lock now; None if it is free."""
    if not (folder / LOCK).exists():
        return None
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return _held_by(folder / HOLDER)[0]
    lock.release()
    return None
