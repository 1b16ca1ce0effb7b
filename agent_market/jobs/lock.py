"""One worker at a time for a bot.

The lock is the operating system's: it ends with who holds it, `kill -9` included.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from agent_market.errors import ConfigError

LOCK = "worker.lock"
HOLDER = "worker.pid"


@contextmanager
def only_worker(folder: Path) -> Iterator[None]:
    """Hold the lock of the bot's folder while the block lasts.

    :raises ConfigError: another process holds it; its process id is in the message.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock, holder = FileLock(folder / LOCK), folder / HOLDER
    try:
        lock.acquire(timeout=0)
    except Timeout:
        other = holder.read_text(encoding="utf-8").strip() if holder.exists() else "unknown"
        raise ConfigError(
            f"another worker is at work for this bot (process {other}); end it first, or name another bot"
        ) from None
    try:
        holder.write_text(f"{os.getpid()}\n", encoding="utf-8")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def is_held(folder: Path) -> bool:
    """Whether a worker is at work at this moment."""
    if not (folder / LOCK).exists():
        return False
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False
