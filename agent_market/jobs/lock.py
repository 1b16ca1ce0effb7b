"""Allow one worker process per lane of a bot.

The operating system holds the lock and releases it when the process ends, `kill -9` included.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from agent_market.errors import ConfigError
from agent_market.jobs.job import Lane


@contextmanager
def only_worker(folder: Path, lanes: Sequence[Lane]) -> Iterator[None]:
    """Hold the locks of some lanes of a bot for the duration of the block.

    :param folder: the bot's folder; created if missing.
    :param lanes: lanes to lock, all of them or none.
    :raises ConfigError: another process holds one of them; the message gives its process id.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        for lane in lanes:
            held.enter_context(_only(folder, lane))
        yield


def is_held(folder: Path, lane: Lane) -> bool:
    """Return whether a worker process holds the lock of a lane now."""
    if not _lock(folder, lane).exists():
        return False
    lock = FileLock(_lock(folder, lane))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


@contextmanager
def _only(folder: Path, lane: Lane) -> Iterator[None]:
    lock, holder = FileLock(_lock(folder, lane)), folder / f"worker-{lane}.pid"
    try:
        lock.acquire(timeout=0)
    except Timeout:
        other = holder.read_text(encoding="utf-8").strip() if holder.exists() else "unknown"
        raise ConfigError(
            f"another worker (process {other}) runs lane {lane!r} of this bot; stop it, choose other lanes "
            "with --lane, or choose another bot with --config and --userdir"
        ) from None
    try:
        holder.write_text(f"{os.getpid()}\n", encoding="utf-8")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _lock(folder: Path, lane: Lane) -> Path:
    return folder / f"worker-{lane}.lock"
