"""One worker at a time for each lane of a bot.

The lock is the operating system's: it ends with who holds it, `kill -9` included.
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
    """Hold the locks of some lanes of a bot while the block lasts.

    :param folder: the bot's.
    :raises ConfigError: another process holds one of them; its process id is in the message.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        for lane in lanes:
            held.enter_context(_only(folder, lane))
        yield


def is_held(folder: Path, lane: Lane) -> bool:
    """Whether a worker is at work on a lane at this moment."""
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
            f"another worker is at work on the lane {lane!r} of this bot (process {other}); end it first, "
            "name other lanes with --lane, or name another bot"
        ) from None
    try:
        holder.write_text(f"{os.getpid()}\n", encoding="utf-8")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _lock(folder: Path, lane: Lane) -> Path:
    return folder / f"worker-{lane}.lock"
