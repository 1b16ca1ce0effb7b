"""Which files of the package a module leads to."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import agent_market

ROOT = Path(agent_market.__file__).parent


def imported(*starts: str, beyond: tuple[str, ...] = ()) -> set[str]:
    """Files (`learning/validation.py`) that the files of some packages or modules import, however deep.

    :param beyond: beginnings of files that are left out, with whatever only they import.
    """
    found: set[Path] = set()
    waiting = [file for start in starts for file in _files(ROOT / start)]
    while waiting:
        file = waiting.pop()
        if file not in found and not file.relative_to(ROOT).as_posix().startswith(beyond):
            found.add(file)
            waiting += _named_in(file)
    return {file.relative_to(ROOT).as_posix() for file in found}


def _files(place: Path) -> list[Path]:
    return sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]


def _named_in(file: Path) -> Iterator[Path]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("agent_market."):
            place = ROOT.joinpath(*str(node.module).split(".")[1:])
            names = [place / f"{one.name}.py" for one in node.names]
            yield from (f for f in (place.with_suffix(".py"), place / "__init__.py", *names) if f.is_file())
