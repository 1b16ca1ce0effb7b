"""Files put in place in one step: a reader, and the process after a kill, finds the old or the new one."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_write(file: Path) -> Iterator[Path]:
    """A new file beside `file`, for the block to write; at its end it is on the disk, and then in place.

    Folders that are missing are made. If the block raises, `file` stands as it was and nothing is left beside
    it; a process that is killed within the block may leave the hidden `.NAME.PROCESS-THREAD`.

    :raises OSError: the folder cannot be written, there is no room, or the block wrote no file.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f".{file.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        yield fresh
        with fresh.open("r+b") as written:
            os.fsync(written.fileno())
        fresh.replace(file)
    finally:
        fresh.unlink(missing_ok=True)


def replace_bytes(file: Path, content: bytes) -> None:
    """Make `content` what `file` holds, in one step; errors as in `replacing`."""
    with atomic_write(file) as fresh:
        fresh.write_bytes(content)


def replace_text(file: Path, text: str) -> None:
    """`replace_bytes` with text in UTF-8; what was read with `surrogateescape` keeps its bytes."""
    replace_bytes(file, text.encode("utf-8", "surrogateescape"))
