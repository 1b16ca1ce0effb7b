"""Small facts that must survive a killed process: one JSON file each, written whole or not at all.

There is no read-modify-write, so a command line and a running bot cannot undo each other's facts.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import orjson

from agent_market.errors import ControlUnreadable


def write_fact(path: Path, fact: dict[str, Any]) -> None:
    """Put `fact` in place of the file's content, and on the disk, before returning.

    :raises ControlUnreadable: the folder cannot be written; the old fact stands.
    """
    _replace(path, orjson.dumps(fact, option=orjson.OPT_INDENT_2))


def write_text(path: Path, text: str) -> None:
    """`write_fact` for words.

    :raises ControlUnreadable: the folder cannot be written; the old text stands.
    """
    _replace(path, text.encode())


def _replace(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ControlUnreadable(
            f"cannot write {path}: {error.strerror}; free the folder `bot.folder`"
        ) from error


def read_fact(path: Path) -> dict[str, Any] | None:
    """The fact, or None where none was ever written.

    :raises ControlUnreadable: the file is there and holds no JSON object.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ControlUnreadable(f"cannot read {path}: {error.strerror}") from error
    try:
        fact = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise ControlUnreadable(f"{path} is damaged ({error}); delete it to start afresh") from error
    if not isinstance(fact, dict):
        raise ControlUnreadable(
            f"{path} holds {type(fact).__name__}, no JSON object; delete it to start afresh"
        )
    return fact
