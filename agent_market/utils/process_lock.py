"""Whether a bot is alone in its folder: breaker state and the day's first equity are those of one account.

The lock is the operating system's: it ends with who holds it, `kill -9` included.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from filelock import FileLock, Timeout

LOCK = "bot.lock"


def hold(folder: Path) -> Callable[[], None] | None:
    """Hold the folder until what is returned is called, from any thread; None = another bot holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None
    return lock.release
