"""Small facts that must survive a killed process: one JSON file each, written whole or not at all.

There is no read-modify-write, so a command line and a running bot cannot undo each other's facts.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from agent_market.errors import ControlUnreadable
from agent_market.utils.durable import replace_bytes

MENDED = "what writes it again mends it: pause, resume or mode, for the bot's switch"
COPY = ".copy"
"""Ending of the second file of a fact that must not be lost with the first."""


def write_fact(path: Path, fact: dict[str, Any]) -> None:
    """Put `fact` in place of the file's content, and on the disk, before returning.

    :raises ControlUnreadable: the folder cannot be written; the old fact stands.
    """
    try:
        replace_bytes(path, orjson.dumps(fact, option=orjson.OPT_INDENT_2))
    except OSError as error:
        raise ControlUnreadable(
            f"cannot write {path}: {error.strerror}; make room on the disk, and let the bot write the folder "
            "`bot.folder`"
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
        raise ControlUnreadable(f"{path} is damaged ({error}); {MENDED}") from error
    if not isinstance(fact, dict):
        raise ControlUnreadable(f"{path} holds {type(fact).__name__}, not a JSON object; {MENDED}")
    return fact


def write_kept(path: Path, fact: dict[str, Any]) -> None:
    """`write_fact`, twice: who deletes one file does not undo what it said.

    :raises ControlUnreadable: the first file cannot be written; the old fact stands.
    """
    write_fact(path, fact)
    try:
        write_fact(copy_of(path), fact)
    except ControlUnreadable:
        with suppress(OSError):  # an older fact must not come back when the first file is deleted
            copy_of(path).unlink(missing_ok=True)


def read_kept(path: Path) -> dict[str, Any] | None:
    """The fact of `write_kept`, from its second file where the first is missing; errors as in `read_fact`."""
    fact = read_fact(path)
    return read_fact(copy_of(path)) if fact is None else fact


def copy_of(path: Path) -> Path:
    """The second file of a fact."""
    return path.with_name(path.name + COPY)


def spoil(path: Path) -> bool:
    """Make the file an empty one, which counts as damaged; whether that went.

    It takes no room, so it goes on a disk that is full. For facts whose damage is the safe side.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            os.fsync(file.fileno())
    except OSError:
        return False
    return True
