"""Atomic copies and folders, and digests of file contents."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson

from agent_market.utils.durable import atomic_write


def copy_atomically(source: Path, target: Path) -> None:
    """Copy a file atomically; leave an equal target alone."""
    if target.is_file() and digest_of_file(target) == digest_of_file(source):
        return
    with atomic_write(target) as fresh:
        shutil.copyfile(source, fresh)


def put_in_place(working: Path, final: Path) -> None:
    """Rename a finished folder to `final`. If killed in between, `final` is the old one, absent, or new."""
    if final.exists():
        old = final.with_name(f".{final.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        final.rename(old)
        working.rename(final)
        shutil.rmtree(old)
    else:
        working.rename(final)


def digest_of_file(file: Path) -> str:
    """Return the sha256 of a file's bytes, hexadecimal."""
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def digest_of_files(files: Iterable[Path], root: Path) -> str:
    """sha256 over names (relative to `root`) and bytes; an absent file counts as "absent"."""
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(file.relative_to(root).as_posix().encode() + b"\0")
        digest.update(digest_of_file(file).encode() if file.is_file() else b"absent")
    return digest.hexdigest()


def digest_of_values(values: Any) -> str:
    """sha256 of plain values (numbers, text, lists, mappings, dates, paths), whatever the order of keys."""
    packed = orjson.dumps(values, default=_plain, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    return hashlib.sha256(packed).hexdigest()


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else str(value)
