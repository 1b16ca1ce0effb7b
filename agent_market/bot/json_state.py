"""Small facts that must survive a killed process: one JSON file each, written whole or not at all.

There is no read-modify-write, so a command line and a running bot cannot undo each other's facts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from agent_market.errors import ControlUnreadable
from agent_market.utils.durable import replace_bytes


def write_fact(path: Path, fact: dict[str, Any]) -> None:
    """Put `fact` in place of the file's content, and on the disk, before returning.

    :raises ControlUnreadable: the folder cannot be written; the old fact stands.
    """
    try:
        replace_bytes(path, orjson.dumps(fact, option=orjson.OPT_INDENT_2))
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
