"""What every HTML page of ours shares: the template environment, and writing it in one step."""

from __future__ import annotations

import os
from pathlib import Path

import jinja2

import agent_market

TEMPLATES = Path(agent_market.__file__).parent / "templates"


def template_environment(folder: str) -> jinja2.Environment:
    """Templates of one folder: every text is escaped, and a name that is not given is an error."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES / folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def put_page(html: str, path: Path) -> Path:
    """Write a page to `path` in one step: a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(html, encoding="utf-8")
    temporary.replace(path)
    return path
