"""Shared by all HTML pages: the template environment, and atomic writing."""

from __future__ import annotations

from pathlib import Path

import jinja2

import agent_market
from agent_market.errors import DataError
from agent_market.utils.durable import replace_text

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
    """Write a page to `path` atomically.

    :raises DataError: the file cannot be written.
    """
    try:
        replace_text(path, html)
    except OSError as error:
        raise DataError(
            f"the page cannot be written to {path}: {error.strerror}; name another file"
        ) from error
    return path
